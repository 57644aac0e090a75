import { z } from 'zod'
import { fail, ok } from '../base/result.ts'
import { isAcceptableTransport } from '../base/transport.ts'
import {
  audience,
  durationSeconds,
  filePath,
  flag,
  parsedText,
  strictUrl,
  tokenTypeHeader,
  wholeNumber,
} from './fields.ts'
import { addIssue, type IssueDetail, refuseRepeats, requireOneOf } from './issue-detail.ts'
import { parseStrictUrl } from './strict-url.ts'

export const webSchemes = ['https:', 'http:'] as const

/** An issuer identifier that metadata is found by (RFC 8414 §2): a URL without query and fragment, kept as text. */
export const issuerUrl = parsedText({ title: 'an https: URL without query', hidden: true }, text => {
  const url = parseStrictUrl(text, { schemes: webSchemes, path: true })
  return url.ok ? ok(text) : url
})

/** Any `iss` (StringOrURI, RFC 7519 §4.1.1); those that look like URLs of the web must be good ones. */
export const issuerName = parsedText({ title: 'an issuer identifier', hidden: true }, text => {
  if (/^https?:/i.test(text)) {
    const url = parseStrictUrl(text, { schemes: webSchemes, path: true })
    return url.ok ? ok(text) : url
  }
  return /^[\x21-\x7e]{1,512}$/.test(text) ? ok(text) : fail('')
})

/** Asymmetric signature algorithms of RFC 7518, RFC 8037 and RFC 9864. */
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const
const longAlgorithms = ['RS384', 'RS512', 'PS384', 'PS512', 'ES384', 'ES512'] as const

/** An allow-list of `alg` values. */
export const algorithmList = z
  .array(z.enum([...algorithms, ...longAlgorithms]))
  .min(1)
  .prefault(['RS256', 'PS256', 'ES256', 'EdDSA'])
  .meta({ title: 'a list of asymmetric algorithms' })

const keyMember = /^(?:d|p|q|dp|dq|qi|oth|k)$/

/** A JWK set (RFC 7517 §5) of public keys. Whether each key is a good one is for whoever loads it. */
export const publicKeySet = z
  .looseObject({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) })
  .superRefine(({ keys }, context) => {
    for (const [index, key] of keys.entries()) {
      if (key.kty === 'oct' || Object.keys(key).some(member => keyMember.test(member))) {
        addIssue(context, ['keys', index], { found: 'a private or shared key', expected: 'a public key' })
      }
    }
  })
  .meta({ title: 'a JWK set of public keys' })

export type PublicKeySet = z.output<typeof publicKeySet>

export const keySource = z
  .strictObject({
    jwks_uri: strictUrl('an https: URL', { schemes: webSchemes, path: true, query: true })
      .optional()
      .describe('Address of the JWK set.'),
    file: filePath.optional().describe('File with the JWK set, read again when it changes.'),
    inline: publicKeySet.optional().describe('The JWK set itself.'),
  })
  .superRefine((keys, context) => requireOneOf(keys, ['jwks_uri', 'file', 'inline'], context))

/** The keys of an issuer wherever there is one. */
export const issuerKeys = {
  issuer: issuerName.describe('Compared byte for byte with `iss`.'),
  audience: z
    .array(audience)
    .min(1)
    .meta({ title: 'a list of at least one audience' })
    .describe('A token must carry at least one of these in `aud`.'),
  algorithms: algorithmList.describe('Accepted `alg` values.'),
  keys: keySource
    .optional()
    .describe(
      "Where the public keys come from: one of the following. Without it, from the issuer's metadata, whose `jwks_uri` must then be of the issuer's origin.",
    ),
  types: z
    .array(tokenTypeHeader)
    .min(1)
    .prefault(['at+jwt', 'jwt', 'none'])
    .meta({ title: 'a list of typ values' })
    .describe('Accepted `typ` header values; `none` stands for an absent `typ`.'),
  leeway: durationSeconds('0s', '5m').prefault('5s').describe('Tolerance for clocks that differ.'),
  max_lifetime: durationSeconds('1s', '366d')
    .prefault('24h')
    .describe('Tokens that are made to live longer than this are refused.'),
  max_actor_depth: wholeNumber(0, 32).prefault(8).describe('Deepest `act` chain that is accepted.'),
  plaintext: flag
    .prefault(false)
    .describe(
      'Allows `http:` for metadata and keys outside this machine. For tests and closed networks only.',
    ),
}

/** One entry of `issuers`. */
export const issuerSchema = z.strictObject(issuerKeys).superRefine(checkKeyLocation)

/** Adds an issue where an issuer's keys could not be found, or could be changed on their way. */
export function checkKeyLocation(
  {
    issuer,
    keys,
    plaintext,
  }: {
    readonly issuer: string
    readonly keys?: z.output<typeof keySource> | undefined
    readonly plaintext: boolean
  },
  context: z.RefinementCtx,
): void {
  if (keys?.jwks_uri !== undefined && !isAcceptableTransport(keys.jwks_uri, plaintext)) {
    addIssue(context, ['keys', 'jwks_uri'], openTransport)
  }
  if (keys !== undefined) return
  if (!URL.canParse(issuer) || !/^https?:/.test(issuer)) {
    const wrong = 'is not a URL, so that no keys can be found by it'
    addIssue(context, ['issuer'], { hidden: true, wrong, expected: 'an https: URL, or keys' })
  } else if (!isAcceptableTransport(new URL(issuer), plaintext)) {
    addIssue(context, ['issuer'], openTransport)
  }
}

/** `http:` where somebody on the network could change what is read. */
export const openTransport: IssueDetail = {
  hidden: true,
  wrong: 'is http: to another machine',
  expected: 'https:, or plaintext: true beside it',
}

/** Reports an issuer that is named again. */
export function refuseSameIssuers(
  issuers: readonly { readonly issuer: string }[],
  context: z.RefinementCtx,
): void {
  const names = issuers.map(({ issuer }) => issuer)
  refuseRepeats(names, 'issuer', context)
}

/** A list of issuers, each named once. */
export const issuerList = z
  .array(issuerSchema)
  .superRefine(refuseSameIssuers)
  .meta({ title: 'a list of issuers' })

export type IssuerInput = z.output<typeof issuerSchema>
