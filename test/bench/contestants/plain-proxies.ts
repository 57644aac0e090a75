import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../../src/assemble/demo/ports.ts'
import type { Contestant } from '../contestant.ts'
import { makeFolder } from '../hopgate-config.ts'
import { findProgram } from '../programs.ts'
import { ordinaryRequest } from '../request-kinds.ts'
import { ownUser, temporaryFolders } from '../upstream.ts'

/** Proxies in other languages that only forward: one worker or thread, keep-alive on both sides, no access log. */
export const plainProxies: readonly Contestant[] = [
  plainProxy('nginx', 'nginx, plain proxy', {
    file: 'nginx.conf',
    command: (file, folder) => ['-p', folder, '-e', join(folder, 'error.log'), '-c', file],
    text: ({ folder, port, upstream }) => `${ownUser} daemon off; worker_processes 1;
      pid ${folder}/nginx.pid; error_log ${folder}/error.log;
      events { worker_connections 4096; }
      http {
        access_log off; keepalive_requests 1000000000; ${temporaryFolders(folder)}
        upstream service { server 127.0.0.1:${upstream}; keepalive 64; keepalive_requests 1000000000; }
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }
        }
      }`,
  }),
  plainProxy('haproxy', 'HAProxy, plain proxy', {
    file: 'haproxy.cfg',
    command: file => ['-db', '-f', file],
    text: ({ port, upstream }) => `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend callers
  bind 127.0.0.1:${port}
  default_backend service
backend service
  server upstream 127.0.0.1:${upstream}
`,
  }),
  plainProxy('caddy', 'Caddy, plain proxy', {
    file: 'Caddyfile',
    command: file => ['run', '--config', file, '--adapter', 'caddyfile'],
    // Its usual 32 idle connections are fewer than the load's, and would be closed and opened all the time.
    text: ({ port, upstream }) => `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${upstream} {
    transport http {
      keepalive_idle_conns_per_host 128
    }
  }
}
`,
  }),
]

interface ProxyOptions {
  readonly folder: string
  readonly port: number
  readonly upstream: number
}

interface ProxyProgram {
  readonly file: string
  readonly text: (options: ProxyOptions) => string
  readonly command: (file: string, folder: string) => readonly string[]
}

function plainProxy(name: string, title: string, program: ProxyProgram): Contestant {
  return {
    name,
    title,
    measurement: 'requests',
    programs: [name],
    async prepare(site, started) {
      const folder = makeFolder(site, started)
      const port = await findFreePort()
      const file = join(folder, program.file)
      writeFileSync(file, program.text({ folder, port, upstream: site.upstream.port }))
      const command = [findProgram(name) ?? name, ...program.command(file, folder)]
      // Caddy keeps its state below the home of its user.
      const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
      return { processes: [{ name, command, env, port }], load: await ordinaryRequest(site, port) }
    },
  }
}
