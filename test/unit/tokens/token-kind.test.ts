import { describe, expect, it } from 'vitest'
import { checkTokenKind } from '../../../src/tokens/token-kind.ts'

const strict = ['at+jwt']
const lenient = ['at+jwt', 'jwt', 'none']

describe('checkTokenKind', () => {
  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt'])(
    'accepts typ %j as at+jwt',
    typ => {
      expect(checkTokenKind(typ, {}, strict)).toBeUndefined()
    },
  )

  it.each([
    'application/application/at+jwt',
    'at+jwt;v=1',
    ' at+jwt',
    'at+jwt ',
    'at+jwt,jwt',
    'x/at+jwt',
    'application/',
    '',
    'JWT',
    'none',
    'ａt+jwt',
    undefined,
  ])('refuses typ %j where only at+jwt is accepted', typ => {
    expect(checkTokenKind(typ, {}, strict)).toMatch(/^typ/)
  })

  it('accepts what the rules of a lenient issuer list', () => {
    for (const typ of ['JWT', 'jwt', 'at+jwt', undefined])
      expect(checkTokenKind(typ, {}, lenient)).toBeUndefined()
  })

  it('does not take the word none in a header for an absent typ', () => {
    for (const typ of ['none', 'NONE', 'application/none'])
      expect(checkTokenKind(typ, {}, lenient)).toMatch(/^typ/)
  })

  it.each([
    'dpop+jwt',
    'oauth-authz-req+jwt',
    'client-authentication+jwt',
    'oauth-client-attestation+jwt',
    'oauth-client-attestation-pop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'token-introspection+jwt',
    'txntoken+jwt',
    'oauth-id-jag+jwt',
    'wit+jwt',
    'wpt+jwt',
    'entity-statement+jwt',
    'statuslist+jwt',
    'kb+jwt',
    'vc+sd-jwt',
    'dc+sd-jwt',
  ])('refuses %s even where the rules list it', typ => {
    expect(checkTokenKind(typ, {}, [...lenient, typ])).toMatch(/^typ/)
    expect(checkTokenKind(`application/${typ.toUpperCase()}`, {}, [...lenient, typ])).toMatch(/^typ/)
  })

  it.each(['nonce', 'at_hash', 'c_hash', 's_hash'])('refuses an ID token by its %s', claim => {
    expect(checkTokenKind('JWT', { [claim]: 'x' }, lenient)).toMatch(claim)
    expect(checkTokenKind(undefined, { [claim]: 'x' }, lenient)).toMatch(claim)
    expect(checkTokenKind('at+jwt', { [claim]: 'x' }, lenient)).toBeUndefined()
  })

  it.each(['ID', 'Refresh', 'Offline', 'Logout', 'DPoP', 'id'])('refuses the body claim typ %s', value => {
    expect(checkTokenKind('JWT', { typ: value }, lenient)).toMatch(/typ/)
    expect(checkTokenKind('at+jwt', { typ: value }, lenient)).toMatch(/typ/)
    expect(checkTokenKind('JWT', { typ: 'Bearer' }, lenient)).toBeUndefined()
  })

  it.each(['id', 'ID', 'refresh'])('refuses token_use %s', value => {
    expect(checkTokenKind('JWT', { token_use: value }, lenient)).toMatch(/token_use/)
    expect(checkTokenKind('JWT', { token_use: 'access' }, lenient)).toBeUndefined()
  })

  it.each(['events', 'token_introspection'])('refuses a token with %s', claim => {
    expect(checkTokenKind('JWT', { [claim]: {} }, lenient)).toMatch(claim)
    expect(checkTokenKind('at+jwt', { [claim]: null }, lenient)).toMatch(claim)
  })
})
