import { describe, expect, it } from 'vitest'
import { createTokenEventWriter } from '../../../src/hub/token-event-line.ts'
import { noFacts, type TokenServiceEvent } from '../../../src/sts/token-service-event.ts'

const write = createTokenEventWriter('https://hub.example.com/sts')

const issued: TokenServiceEvent = {
  ...noFacts,
  id: '01a2',
  at: 1_800_000_000.25,
  kind: 'issued',
  endpoint: 'token',
  grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
  peer: '192.0.2.1',
  client: 'orders',
  subject: 'alice',
  issuer: 'https://login.example.com',
  subjectFingerprint: 'fp',
  audience: 'orders-api',
  scope: 'orders:read',
  actors: ['orders', 'web'],
  error: undefined,
  detail: undefined,
  tokenId: 'j1',
  expiresAt: 1_800_000_060,
}

describe('a token event as a line', () => {
  it('is a CloudEvent with the claims under their RFC names', () => {
    expect(JSON.parse(write(issued))).toEqual({
      specversion: '1.0',
      id: '01a2',
      source: 'https://hub.example.com/sts',
      type: 'io.hopgate.token.issued.v1',
      time: '2027-01-15T08:00:00.250Z',
      subject: 'orders',
      datacontenttype: 'application/json',
      data: {
        endpoint: 'token',
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        peer: '192.0.2.1',
        client_id: 'orders',
        aud: 'orders-api',
        scope: 'orders:read',
        act: { sub: 'orders', act: { sub: 'web' } },
        jti: 'j1',
        exp: 1_800_000_060,
        subject_token: { iss: 'https://login.example.com', sub: 'alice', fingerprint: 'fp' },
      },
    })
  })

  it('says why something was refused, and leaves out what is not known', () => {
    const refused: TokenServiceEvent = {
      ...noFacts,
      id: '01a3',
      at: 1_800_000_000,
      kind: 'refused',
      endpoint: 'introspection',
      grantType: undefined,
      peer: 'local',
      error: 'invalid_client',
      detail: 'no client authentication',
      tokenId: undefined,
      expiresAt: undefined,
    }
    const line = JSON.parse(write(refused))
    expect(line.type).toBe('io.hopgate.token.refused.v1')
    expect(line).not.toHaveProperty('subject')
    expect(line.data).toEqual({
      endpoint: 'introspection',
      peer: 'local',
      error: 'invalid_client',
      detail: 'no client authentication',
    })
  })

  it('is one line of printable ASCII, whatever a subject is called', () => {
    const subject = 'a\r\nb\u001b[2J\u2028\u202e</script>"\\é😀'
    const line = write({ ...issued, subject })
    expect(line).toMatch(/^[\x20-\x7e]+$/)
    expect(line).not.toContain('<')
    expect(JSON.parse(line).data.subject_token.sub).toBe(subject)
  })

  it('holds nothing that looks like a token', () => {
    const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'
    for (const tokenId of [token, token.replaceAll('.', '%2E'), token.replaceAll('.', '%2e')]) {
      const line = write({ ...issued, tokenId })
      expect(line).not.toContain('eyJ')
      expect(JSON.parse(line).data.jti).toBe('[redacted]')
    }
  })
})
