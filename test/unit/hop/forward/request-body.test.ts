import { describe, expect, it } from 'vitest'
import type { BodySink } from '../../../../src/hop/forward/request-body.ts'
import { requestTrailers } from '../../../../src/hop/forward/request-trailers.ts'
import { turns } from '../../../support/fake-upstream.ts'
import { aRequestBody } from '../../../support/request-body.ts'

/** Takes what it is given, and asks to wait as it is told. */
class Sink implements BodySink {
  text = ''
  trailers: readonly string[] | undefined
  isFull = false

  write(chunk: Buffer): boolean {
    if (this.trailers !== undefined) throw new Error('a piece behind the end')
    this.text += chunk.toString()
    return !this.isFull
  }

  end(trailers: readonly string[]): void {
    if (this.trailers !== undefined) throw new Error('a second end')
    this.trailers = trailers
  }
}

describe('a request body', () => {
  it('hands over what came before it flows and what comes after, and its end with its trailers', async () => {
    const { source, body } = aRequestBody({}, ['X-Sum', '42', 'Authorization', 'Bearer x'])
    const sink = new Sink()
    source.write('one ')
    await turns(1)
    expect([body.bytes, body.isComplete]).toEqual([0, false])
    body.flowInto(sink)
    source.write('two ')
    await turns(1)
    expect([sink.text, body.bytes, body.isComplete]).toEqual(['one two ', 8, false])
    source.end('three')
    await turns(1)
    expect([sink.text, body.bytes, body.isComplete]).toEqual(['one two three', 13, true])
    expect(sink.trailers).toEqual(['X-Sum', '42'])
  })

  it('ends when it is empty', async () => {
    const { source, body } = aRequestBody({ length: 0 })
    const sink = new Sink()
    body.flowInto(sink)
    source.end()
    await turns(1)
    expect([sink.text, sink.trailers, body.isComplete]).toEqual(['', [], true])
  })

  it('waits when it is told to, until it is told to go on', async () => {
    const { source, body } = aRequestBody()
    const sink = new Sink()
    sink.isFull = true
    body.flowInto(sink)
    source.write('one ')
    await turns(1)
    source.write('two')
    await turns(1)
    expect([sink.text, source.isPaused()]).toEqual(['one ', true])
    sink.isFull = false
    body.resume()
    await turns(1)
    expect([sink.text, source.isPaused()]).toEqual(['one two', false])
  })

  it.each<[string, { length?: number; maxBytes?: number }]>([
    ['may be', { maxBytes: 8 }],
    ['says', { length: 8 }],
    ['says and may be', { length: 8, maxBytes: 9 }],
  ])('that is longer than it %s is told of once; nothing more of it is handed over', async (_, limits) => {
    let count = 0
    const { source, body } = aRequestBody({
      ...limits,
      onTooLarge() {
        count += 1
        body.stop()
      },
    })
    const sink = new Sink()
    body.flowInto(sink)
    source.write('12345678')
    await turns(1)
    expect(count).toBe(0)
    source.write('9')
    source.end('10')
    await turns(2)
    expect([count, sink.text, sink.trailers, body.isComplete]).toEqual([1, '12345678', undefined, false])
    expect(source.readableEnded).toBe(true)
  })

  it('that is as long as it may be is handed over', async () => {
    const { source, body } = aRequestBody({ length: 8, maxBytes: 8 })
    const sink = new Sink()
    body.flowInto(sink)
    source.end('12345678')
    await turns(1)
    expect([sink.text, body.isComplete]).toEqual(['12345678', true])
  })

  it.each(['before it flows', 'while it flows', 'while it waits'])(
    'that is stopped %s hands nothing over, and drops what comes',
    async when => {
      const { source, body } = aRequestBody({ maxBytes: 10 })
      const sink = new Sink()
      if (when === 'while it waits') sink.isFull = true
      if (when !== 'before it flows') body.flowInto(sink)
      source.write('one')
      await turns(1)
      const { text } = sink
      body.stop()
      body.stop()
      body.resume()
      source.write('x'.repeat(100))
      source.end()
      await turns(2)
      expect([sink.text, sink.trailers]).toEqual([text, undefined])
      expect(source.readableEnded).toBe(true)
      expect([source.listenerCount('data'), source.listenerCount('end')]).toEqual([0, 0])
    },
  )

  it('that is stopped within a piece hands nothing over any more', async () => {
    const { source, body } = aRequestBody()
    const sink = new Sink()
    sink.isFull = true
    body.flowInto({
      write(chunk) {
        body.stop()
        return sink.write(chunk)
      },
      end: trailers => sink.end(trailers),
    })
    source.write('one')
    source.write('two')
    source.end()
    await turns(2)
    expect([sink.text, sink.trailers, source.readableEnded]).toEqual(['one', undefined, true])
  })

  it('that has ended is not touched any more', async () => {
    const { source, body } = aRequestBody()
    const sink = new Sink()
    body.flowInto(sink)
    source.end('all')
    await turns(1)
    body.stop()
    body.resume()
    expect([sink.text, sink.trailers, body.isComplete]).toEqual(['all', [], true])
  })
})

describe('trailers of a request (RFC 9110 §6.5.1)', () => {
  it.each([
    ...['Authorization', 'Proxy-Authorization', 'Cache-Control', 'Connection', 'Content-Encoding'],
    ...['Content-Length', 'Content-Range', 'Content-Type', 'Expect', 'Host', 'Max-Forwards', 'TE', 'Trailer'],
    ...['Transfer-Encoding', 'Upgrade', 'Via', 'Forwarded', 'X-Forwarded-For', 'X-User', 'X_User', 'DPoP'],
    ...['X-Request-Id', 'traceparent'],
  ])('do not bring %s', name => {
    expect(requestTrailers([name, 'x', name.toUpperCase(), 'x', name.toLowerCase(), 'x'])).toEqual([])
  })

  it('bring everything else, in order and as it is spelled', () => {
    const fields = ['X-Sum', '1', 'grpc-status', '0', 'X-Sum', '2', 'Digest', '']
    expect(requestTrailers(fields)).toEqual(fields)
    expect(requestTrailers([])).toEqual([])
  })
})
