import { fail, ok, type Result } from '../base/result.ts'
import { type JsonObject, parseStrictJsonObject } from '../base/strict-json.ts'
import { isCanonicalBase64Url } from './base64url.ts'
import { describeValue } from './describe-value.ts'
import { isKeyId } from './key-id.ts'

/** The members of a JOSE header that Hopgate understands (RFC 7515 §4.1). All others are ignored. */
export interface JwsHeader {
  readonly algorithm: string
  readonly keyId: string | undefined
  /** `typ` as it came. */
  readonly type: string | undefined
}

/** The three parts of a compact JWS (RFC 7515 §7.1), well formed; nothing about its signature is known yet. */
export interface JwsParts {
  readonly header: JwsHeader
  /** What the signature covers: the first two parts and the dot between, as received. */
  readonly signingInput: string
  readonly payload: Buffer
  readonly signature: Buffer
}

/** A compact JWS whose payload is a JSON object: a JWT (RFC 7519), not verified yet. */
export interface CompactJws extends JwsParts {
  readonly claims: JsonObject
}

/**
 * Takes a compact JWS apart, before any cryptography. Only the one canonical spelling of three base64url parts
 * passes, of which the payload may be empty; five parts (an encrypted token) are refused unread, as are `crit` and `b64`, of which nothing is
 * understood here, and nested tokens (`cty`). Keys and addresses in the header (`jwk`, `jku`, `x5u`, `x5c`) are never
 * looked at: keys come from the issuer's configured source.
 *
 * @param maxBytes longest text that is looked at
 * @returns the error names the check and holds no part of the text
 */
export function readJwsParts(text: string, maxBytes: number): Result<JwsParts, string> {
  if (text.length > maxBytes) return fail(`longer than ${maxBytes} bytes`)
  const [headerText = '', payloadText = '', signatureText = '', ...more] = text.split('.', 6)
  if (more.length === 2) return fail('five parts: encrypted tokens are not accepted')
  if (more.length > 0 || signatureText === '') return fail('not three parts')
  if (payloadText !== '' && !isCanonicalBase64Url(payloadText))
    return fail('the payload is not canonical base64url')
  if (!isCanonicalBase64Url(headerText)) return fail('the header is not canonical base64url')
  if (!isCanonicalBase64Url(signatureText)) return fail('the signature is not canonical base64url')
  const header = readHeader(Buffer.from(headerText, 'base64url'))
  if (!header.ok) return header
  return ok({
    header: header.value,
    signingInput: text.slice(0, headerText.length + 1 + payloadText.length),
    payload: Buffer.from(payloadText, 'base64url'),
    signature: Buffer.from(signatureText, 'base64url'),
  })
}

/** Like {@link readJwsParts}, for a JWT: the payload must be a strict JSON object. */
export function readCompactJws(text: string, maxBytes: number): Result<CompactJws, string> {
  const parts = readJwsParts(text, maxBytes)
  if (!parts.ok) return parts
  const claims = parseStrictJsonObject(parts.value.payload)
  if (claims === undefined) return fail('the payload is not a strict JSON object')
  return ok({ ...parts.value, claims })
}

function readHeader(bytes: Buffer): Result<JwsHeader, string> {
  const header = parseStrictJsonObject(bytes)
  if (header === undefined) return fail('the header is not a strict JSON object')
  const { alg, kid, typ, cty } = header
  if (typeof alg !== 'string' || alg === '') return fail('alg is not a non-empty string')
  if (kid !== undefined && !isKeyId(kid)) return fail('kid is not a string of 1 to 256 characters')
  if (typ !== undefined && typeof typ !== 'string') return fail('typ is not a string')
  if ('crit' in header) return fail('crit names extensions, and none is understood')
  if ('b64' in header) return fail('b64 is not allowed in a JWT')
  if ('enc' in header) return fail('enc belongs to an encrypted token')
  if (cty !== undefined) return fail(`cty ${describeValue(cty)}: nested tokens are not accepted`)
  return ok({ algorithm: alg, keyId: kid, type: typ })
}
