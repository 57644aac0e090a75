import { expect, it } from 'vitest'
import { createConnect } from '../../src/hop/forward/connect.ts'
import { createHttp2Client } from '../../src/hop/forward/http2/http2-client.ts'
import {
  dataFrame,
  errorCode,
  frame,
  frameType,
  headersFrame,
  rstStreamFrame,
  setting,
  settingsFrame,
  windowUpdateFrame,
} from '../support/http2-raw-client.ts'
import { goawayFrame, type RawRequest, startHttp2RawServer } from '../support/http2-raw-server.ts'
import { sendRecorded } from '../support/recorded-response.ts'
import { aRequestBody } from '../support/request-body.ts'
import { until } from '../support/until.ts'

/**
 * Node's HTTP/2 ends the process by an assertion when a stream is given up in the wrong moment (node_http2.cc,
 * OnTrailers), and keeps streams that it cannot reset. No single test holds all of those moments, so this one does
 * everything to everything: an upstream that answers, refuses, breaks off and stalls as it likes, and callers that give
 * up, pause and send bodies in pieces. When the process ends, so does the test run.
 */

const requests = 3_000
const callersAtOnce = 30
const maxConcurrentStreams = 3

/** The same numbers in every run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state / 0x7fff_ffff
  }
}

const random = createRandom(17)
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
const later = (act: () => void): void => {
  if (random() < 0.4) act()
  else setTimeout(act, random() * 20)
}

const ok = [[':status', '200']] as const
const { none, protocol, internal, refusedStream, cancel, enhanceYourCalm } = errorCode
const acts: readonly ((request: RawRequest) => void)[] = [
  ({ peer, streamId }) => peer.send(headersFrame(streamId, ok, 'more'), dataFrame(streamId, 'ok')),
  ({ peer, streamId }) => peer.send(headersFrame(streamId, ok)),
  ({ peer, streamId }) =>
    peer.send(
      headersFrame(streamId, ok, 'more'),
      dataFrame(streamId, 'x'.repeat(16_000), 'more'),
      dataFrame(streamId, 'y'.repeat(16_000), 'more'),
      headersFrame(streamId, [['x-sum', '1']]),
    ),
  ({ peer, streamId }) => peer.send(headersFrame(streamId, ok, 'more')),
  ({ peer, streamId }) => peer.send(headersFrame(streamId, ok), rstStreamFrame(streamId, none)),
  ({ peer, streamId }) =>
    peer.send(
      rstStreamFrame(streamId, pick([none, protocol, internal, refusedStream, cancel, enhanceYourCalm])),
    ),
  ({ peer, streamId }) => peer.send(goawayFrame(Math.max(0, streamId - 2))),
  ({ peer, streamId }) => peer.send(goawayFrame(streamId)),
  ({ peer, streamId }) =>
    void (random() < 0.1 && peer.send(goawayFrame(streamId, pick([protocol, internal])))),
  ({ peer }) => void (random() < 0.1 && peer.socket.destroy()),
  ({ peer }) => void (random() < 0.1 && peer.socket.end()),
  ({ peer }) => void (random() < 0.1 && peer.send(Buffer.from('no frame at all, whatever the length'))),
  ({ peer }) => peer.send(settingsFrame([[maxConcurrentStreams, pick([0, 1, 5, 50])]])),
  ({ peer }) => peer.send(settingsFrame([[setting.initialWindowSize, pick([0, 10, 65_535])]])),
  ({ peer, streamId }) => peer.send(windowUpdateFrame(0, 100_000), windowUpdateFrame(streamId, 100_000)),
  ({ peer }) => peer.send(frame(frameType.ping, 0, 0, Buffer.alloc(8))),
  ({ peer }) => {
    peer.socket.pause()
    setTimeout(() => peer.socket.resume(), random() * 60)
  },
]

it('comes out of a storm: every request has an end, and no connection is left', {
  timeout: 120_000,
}, async () => {
  const server = await startHttp2RawServer({
    settings: [[maxConcurrentStreams, 20]],
    onRequest(request) {
      for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) {
        const act = pick(acts)
        later(() => act(request))
      }
    },
  })
  const origin = new URL(`http://127.0.0.1:${server.port}`)
  const client = createHttp2Client({
    origin,
    connect: createConnect(origin, 'h2', undefined),
    connectTimeoutMs: 300,
    headersTimeoutMs: 200,
    bodyTimeoutMs: 200,
    streamsPerSession: 20,
    requestsPerSession: 200,
    idleMs: 100,
    pingAfterMs: 80,
    pingTimeoutMs: 80,
    maxSessions: 5,
  })

  const send = async (): Promise<'given up' | 'ended' | 'failed'> => {
    const made = random() < 0.6 ? aRequestBody({}, ['X-Sum', '1']) : undefined
    const method = pick(['GET', 'POST', 'PUT'])
    const { recorded, call } = sendRecorded(client, {
      method,
      body: made?.body,
      announcesTrailers: random() < 0.5,
    })
    let pieces = Math.floor(random() * 5)
    const feed = (): void => {
      if (pieces-- <= 0) return void made?.source.end()
      made?.source.write(Buffer.alloc(1 + Math.floor(random() * pick([10, 1_000, 100_000]))))
      later(feed)
    }
    if (made !== undefined) later(feed)
    let isGivenUp = false
    const giveUp = (): void => {
      isGivenUp = true
      call.abort()
    }
    if (random() < 0.3) setTimeout(giveUp, random() * 60)
    const onPiece = pick([undefined, undefined, undefined, 'pause', 'give up'])
    recorded.onPiece = () => {
      if (onPiece === 'give up') giveUp()
      if (onPiece !== 'pause') return
      call.pause()
      setTimeout(() => call.resume(), random() * 40)
    }
    await until(
      () => isGivenUp || recorded.isOver,
      `the end of a ${method} with status ${recorded.status}`,
      20_000,
    )
    return isGivenUp ? 'given up' : recorded.isEnded ? 'ended' : 'failed'
  }

  const outcomes = { 'given up': 0, ended: 0, failed: 0 }
  let left = requests
  await Promise.all(
    Array.from({ length: callersAtOnce }, async () => {
      while (left-- > 0) outcomes[await send()] += 1
    }),
  )
  expect(Object.values(outcomes).every(count => count > requests / 50)).toBe(true)
  await client.close()
  await until(
    () => server.peers.every(({ isClosed, socket }) => isClosed || socket.isPaused()),
    'every connection',
  )
  await server.close()
})
