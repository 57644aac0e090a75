import { type KeyObject, sign } from 'node:crypto'
import { encode } from './tokens.ts'

/** The three texts of a compact JWS. */
export type JwsTexts = [header: string, payload: string, signature: string]

export function textsOf(token: string): JwsTexts {
  return token.split('.') as JwsTexts
}

/** The JSON text of a header or payload. */
export function decodeText(part: string): string {
  return Buffer.from(part, 'base64url').toString()
}

/** The usual header as JSON, with members replaced, or removed by undefined. */
export function headerText(changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ alg: 'ES256', kid: 'k1', typ: 'at+jwt', ...changes })
}

/** Signs a signing input as it is, well formed or not, with ES256. */
export function signInput(input: string, key: KeyObject): string {
  const signature = sign('sha256', Buffer.from(input, 'latin1'), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

/** Signs with ES256 what need not be text. */
export function signBytes(header: string | Buffer, payload: string | Buffer, key: KeyObject): string {
  const texts = [header, payload].map(part =>
    typeof part === 'string' ? encode(part) : part.toString('base64url'),
  )
  return signInput(texts.join('.'), key)
}
