#!/bin/sh
# Makes what this compose file needs and what must not be in a repository, each file once:
#
#   ./make-secrets.sh          secrets/: a key pair for every gate, a password for Redis
#   ./make-secrets.sh --try    and a certificate for the login provider of compose.try.yaml, and .env to use it
#
# The folder is open for its owner only. The files in it are readable, because in the containers they belong to
# another user than the one who reads them there.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

# Without Node on this machine, the one in the image does it: docker build -t hopgate:local ../..
run_node() {
  if command -v node >/dev/null 2>&1; then
    node "$@"
  else
    docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" --workdir /work --entrypoint node \
      "${HOPGATE_IMAGE:-hopgate:local}" "$@"
  fi
}
run_node make-keys.mjs secrets storefront orders billing

if [ "${1:-}" = --try ]; then
  if [ ! -e secrets/login.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj '/CN=Hopgate try CA' \
      -keyout secrets/login-ca.key -out secrets/login-ca.pem 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=login \
      -keyout secrets/login.key -out secrets/login.csr 2>/dev/null
    printf 'subjectAltName=DNS:login,DNS:localhost\n' >secrets/login.ext
    openssl x509 -req -in secrets/login.csr -CA secrets/login-ca.pem -CAkey secrets/login-ca.key -CAcreateserial \
      -days 30 -extfile secrets/login.ext -out secrets/login.pem 2>/dev/null
    # Nothing else is ever signed with it.
    rm -f secrets/login-ca.key secrets/login-ca.srl secrets/login.csr secrets/login.ext
  fi
  if [ ! -e .env ]; then
    printf 'COMPOSE_FILE=compose.yaml:compose.try.yaml\nLOGIN_ISSUER=https://login:8443\n' >.env
  fi
fi
chmod 0444 secrets/*
echo "secrets/ is ready" >&2
