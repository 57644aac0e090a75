import { describe, expect, it } from 'vitest'
import { createPublicDocument } from '../../../src/sts/public-document.ts'

let document = { keys: ['a'] }
const serve = createPublicDocument('application/jwk-set+json', () => document)

function ask(ifNoneMatch?: string, method = 'GET') {
  const headers = new Map(ifNoneMatch === undefined ? [] : [['if-none-match', [ifNoneMatch]]])
  return serve({ method, path: '/jwks', query: '', headers, body: '', peer: 'local' })
}

describe('a public document', () => {
  it('may be kept for five minutes and has a tag', () => {
    expect(ask()).toEqual({
      status: 200,
      headers: {
        'content-type': 'application/jwk-set+json',
        'cache-control': 'public, max-age=300',
        etag: expect.stringMatching(/^"[\w-]{43}"$/),
        'x-content-type-options': 'nosniff',
      },
      body: '{"keys":["a"]}',
    })
  })

  it('is not sent again to who has it', () => {
    const { etag = '' } = ask().headers
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      expect(ask(known)).toMatchObject({ status: 304, body: '', headers: { etag } })
    }
    for (const other of ['"x"', etag.slice(1, -1), '']) expect(ask(other).status).toBe(200)
  })

  it('is the one of now, with another tag', () => {
    const before = ask().headers['etag']
    document = { keys: ['b'] }
    expect(ask(before)).toMatchObject({ status: 200, body: '{"keys":["b"]}' })
    expect(ask().headers['etag']).not.toBe(before)
  })

  it('has no body for HEAD, and no other method', () => {
    expect(ask(undefined, 'HEAD')).toMatchObject({ status: 200, body: '' })
    expect(ask(undefined, 'POST').status).toBe(405)
  })
})
