import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { writeRequestHead } from '../../../../../src/hop/forward/http1/request-head.ts'
import type { UpstreamRequest } from '../../../../../src/hop/forward/upstream-client.ts'
import { aRequestBody } from '../../../../support/request-body.ts'

function head(about: Partial<UpstreamRequest> = {}): string {
  const request = {
    method: 'GET',
    target: '/',
    fields: [],
    body: undefined,
    acceptsTrailers: false,
    announcesTrailers: false,
  }
  return writeRequestHead({ ...request, ...about })
}

describe('a request head (RFC 9112 §3)', () => {
  it('is the request line and the fields as they are', () => {
    const fields = [
      'Accept',
      '*/*',
      'x-Twice',
      '1',
      'X-twice',
      '',
      'Host',
      'orders.test',
      'Authorization',
      'Bearer t',
    ]
    expect(head({ method: 'QUERY', target: '/a%20b?c=d', fields })).toBe(
      'QUERY /a%20b?c=d HTTP/1.1\r\nAccept: */*\r\nx-Twice: 1\r\nX-twice: \r\nHost: orders.test\r\nAuthorization: Bearer t\r\n\r\n',
    )
  })

  it('keeps the bytes of values beyond ASCII', () => {
    expect(Buffer.from(head({ fields: ['X-Name', '\xc5\x81'] }), 'latin1')).toEqual(
      Buffer.from('GET / HTTP/1.1\r\nX-Name: \u0141\r\n\r\n'),
    )
  })

  it.each([
    ['a letter that would be written as a carriage return', ['A', 'b\u010dX-Admin: 1']],
    ['a letter that would be written as a line feed', ['A', 'b\u010aX-Admin: 1']],
    ['a letter beyond 16 bits', ['A', '\u{1f600}']],
    ['such a letter in a name', ['A\u0141', 'b']],
  ])('is not written with %s', (_, fields) => {
    expect(() => head({ fields })).toThrow(TypeError)
    expect(() => head({ target: `/${fields.join('')}` })).toThrow(TypeError)
  })
})

describe('the framing of its body (RFC 9112 §6)', () => {
  const { body: sized } = aRequestBody({ length: 5 })
  const { body: unsized } = aRequestBody()

  it.each<[string, Partial<UpstreamRequest>, string[]]>([
    ['GET without a body', { method: 'GET' }, []],
    ['DELETE without a body', { method: 'DELETE' }, []],
    ['POST without a body (RFC 9110 §8.6)', { method: 'POST' }, ['Content-Length: 0']],
    ['PUT without a body (RFC 9110 §8.6)', { method: 'PUT' }, ['Content-Length: 0']],
    ['PATCH without a body (RFC 9110 §8.6)', { method: 'PATCH' }, ['Content-Length: 0']],
    ['POST that says 0', { method: 'POST', fields: ['content-length', '0'] }, ['content-length: 0']],
    ['GET that says 0', { method: 'GET', fields: ['Content-Length', '0'] }, ['Content-Length: 0']],
    ['a length', { method: 'POST', body: sized, fields: ['Content-Length', '5'] }, ['Content-Length: 5']],
    ['no length', { method: 'POST', body: unsized }, ['Transfer-Encoding: chunked']],
    ['GET with a body', { method: 'GET', body: unsized }, ['Transfer-Encoding: chunked']],
  ])('is said once: %s', (_, about, expected) => {
    const lines = head(about).split('\r\n')
    expect(lines.filter(line => /^(?:content-length|transfer-encoding):/i.test(line))).toEqual(expected)
  })
})

describe('any request head', () => {
  /** The request as Node's own server reads it. */
  function readByNode(text: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const server = createServer({ requireHostHeader: false }, received => resolve(received))
      server.on('clientError', reject)
      const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
      server.emit('connection', socket)
      socket.push(Buffer.from(text, 'latin1'))
    })
  }

  it("is read by Node's own parser as it was written", async () => {
    const name = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}$/)
    const field = fc.tuple(
      name.filter(text => !/^(?:content-length|transfer-encoding|upgrade|connection|expect)$/i.test(text)),
      fc.stringMatching(/^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'QUERY', 'PROPFIND'),
        fc.stringMatching(/^\/[!-~]{0,30}$/),
        fc.array(field, { maxLength: 8 }),
        async (method, target, fields) => {
          const received = await readByNode(head({ method, target, fields: fields.flat() }))
          const added = method === 'POST' ? ['Content-Length', '0'] : []
          expect([received.method, received.url]).toEqual([method, target])
          expect(received.rawHeaders).toEqual([...fields.flat(), ...added])
        },
      ),
      { numRuns: 200 },
    )
  })
})
