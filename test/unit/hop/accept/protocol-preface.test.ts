import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readProtocol } from '../../../../src/hop/accept/protocol-preface.ts'
import { turns } from '../../../support/fake-upstream.ts'
import { latin1, splitAt } from '../../../support/response-reading.ts'

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const settings = '\0\0\0\x04\0\0\0\0\0'
const request = 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n'

/** A connection on which the pieces come one after the other, and what is told of it. */
async function read(pieces: readonly Buffer[]) {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const told: string[] = []
  let taken = ''
  readProtocol(socket as Socket, protocol => {
    told.push(protocol)
    socket.on('data', (chunk: Buffer) => {
      taken += chunk.toString('latin1')
    })
  })
  for (const piece of pieces) {
    socket.push(piece)
    await turns(1)
  }
  await turns(1)
  return { socket, told, taken: () => taken }
}

const inPieces = (text: string): Buffer[] => splitAt(latin1(text), latin1(text).keys())

describe('the protocol of a plain connection (RFC 9113 §3.4)', () => {
  it.each<[string, string, 'http1' | 'http2']>([
    ['the preface', preface, 'http2'],
    ['the preface and frames', preface + settings, 'http2'],
    ['a request', request, 'http1'],
    ['requests one behind the other', request.repeat(3), 'http1'],
    ['a request with another method that begins so', 'PRIOR / HTTP/1.1\r\n\r\n', 'http1'],
    ['PRI with another target', 'PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http1'],
    ['a preface with one byte wrong', `${preface.slice(0, -1)}\r`, 'http1'],
    ['a preface with bare line feeds', preface.replaceAll('\r', ''), 'http1'],
    ['one byte that is none of it', 'G', 'http1'],
    ['bytes that are no HTTP', '\x16\x03\x01\x02\x00', 'http1'],
  ])('is told of %s, and no byte is lost, in one piece or many', async (_, text, protocol) => {
    for (const pieces of [[latin1(text)], inPieces(text)]) {
      const { told, taken } = await read(pieces)
      expect([told, taken()]).toEqual([[protocol], text])
    }
  })

  it('is told once, and every byte stays, however they come', async () => {
    const text = fc.oneof(
      fc.constantFrom(preface, request, preface + request, preface.slice(0, 10) + request),
      fc
        .string({ unit: 'binary-ascii', minLength: 1, maxLength: 60 })
        .filter(any => !preface.startsWith(any)),
    )
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(60), { maxLength: 20 }), async (any, cuts) => {
        const { told, taken } = await read(splitAt(latin1(any), cuts))
        expect([told, taken()]).toEqual([[any.startsWith(preface) ? 'http2' : 'http1'], any])
      }),
    )
  })

  it('is not told while it may still be either', async () => {
    for (let length = 0; length < preface.length; length++) {
      const { told, socket } = await read(inPieces(preface.slice(0, length)))
      expect([told, socket.destroyed]).toEqual([[], false])
    }
  })

  it('is not told of a connection that ends before, which is closed', async () => {
    for (const length of [0, 1, 23]) {
      const { told, socket } = await read(inPieces(preface.slice(0, length)))
      socket.push(null)
      await turns(2)
      expect([told, socket.destroyed]).toEqual([[], true])
    }
  })

  it('is not told of a connection that breaks off before, and nothing is thrown', async () => {
    const { told, socket } = await read(inPieces(preface.slice(0, 5)))
    socket.destroy(new Error('ECONNRESET'))
    await once(socket, 'close').catch(() => {})
    expect(told).toEqual([])
  })

  it('is told of a request that came together with the end of the connection', async () => {
    const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    socket.push(latin1(request))
    socket.push(null)
    let taken = ''
    readProtocol(socket as Socket, () => socket.on('data', chunk => (taken += chunk)))
    await turns(3)
    expect(taken).toBe(request)
  })

  it("leaves requests whole for Node's own server, those behind the first one as well", async () => {
    for (const pieces of [[latin1(request.repeat(3))], inPieces(request.repeat(3))]) {
      const received: IncomingMessage[] = []
      const server = createServer((message, answer) => {
        received.push(message)
        answer.end()
      })
      const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
      readProtocol(socket as Socket, () => server.emit('connection', socket))
      for (const piece of pieces) {
        socket.push(piece)
        await turns(1)
      }
      await turns(5)
      expect(received.map(({ url, rawHeaders }) => [url, rawHeaders])).toEqual(
        Array.from({ length: 3 }, () => ['/1', ['Host', 'a']]),
      )
      socket.destroy()
      server.close()
    }
  })
})
