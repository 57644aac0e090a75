import { afterEach, beforeEach, expect, it } from 'vitest'
import { openRaw, readAnswer, requestRaw, sendRaw } from '../../support/raw-client.ts'
import { response, startUpstream, type Upstream } from '../../support/upstream.ts'

let upstream: Upstream

beforeEach(async () => {
  upstream = await startUpstream()
})
afterEach(() => upstream.close())

it('keeps the bytes of each request and reads names, targets and bodies as sent', async () => {
  const bytes = 'POST /a?b=1 HTTP/1.1\r\nhOsT: x\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 3\r\n\r\nabc'
  const answer = await requestRaw(upstream.port, bytes)
  expect(answer).toMatchObject({ status: 200, text: 'ok', complete: true })
  const request = await upstream.request()
  expect(request.raw.toString()).toBe(bytes)
  expect(request).toMatchObject({ method: 'POST', target: '/a?b=1', connection: 0 })
  expect(request.headers[0]).toEqual(['hOsT', 'x'])
  expect(request.headerAll('x-A')).toEqual(['1', '2'])
  expect(request.body.toString()).toBe('abc')
})

it('takes pipelined and chunked requests apart and answers each in order', async () => {
  upstream.enqueue(response(201, 'one', { 'X-N': '1' }), response(202, 'two'))
  const chunked =
    'POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n'
  const answer = await sendRaw(upstream.port, [
    chunked.slice(0, 70),
    `${chunked.slice(70)}GET /d HTTP/1.1\r\n\r\n`,
  ])
  expect(answer.responses.map(each => [each.status, each.text])).toEqual([
    [201, 'one'],
    [202, 'two'],
  ])
  expect(answer.responses[0]?.header('x-n')).toBe('1')
  expect(answer.closed).toBe(false)
  expect(upstream.requests.map(each => [each.target, each.body.toString()])).toEqual([
    ['/c', 'abcde'],
    ['/d', ''],
  ])
  expect(upstream.connections.map(each => each.raw.toString())).toEqual([`${chunked}GET /d HTTP/1.1\r\n\r\n`])
})

it('resets, hangs and answers by function', async () => {
  upstream.enqueue({ action: 'reset' }, { action: 'hang' }, (request, socket) => {
    socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')
    return response(200, request.target)
  })
  const get = 'GET /f HTTP/1.1\r\n\r\n'
  expect(await sendRaw(upstream.port, get)).toMatchObject({ closed: true, responses: [] })
  expect(await sendRaw(upstream.port, get, { timeoutMs: 50 })).toMatchObject({ closed: false, responses: [] })
  const answer = await sendRaw(upstream.port, get, { responses: 1 })
  expect(answer.interim.map(each => each.status)).toEqual([103])
  expect(answer.responses.map(each => each.text)).toEqual(['/f'])
  expect(upstream.connections).toHaveLength(3)
})

it('reads a response that ends with its connection, and says when one was cut', async () => {
  upstream.enqueue((_, socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'))
  expect(await requestRaw(upstream.port, 'GET / HTTP/1.1\r\n\r\n')).toMatchObject({
    text: 'all of it',
    complete: true,
  })
  upstream.enqueue((_, socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut'))
  expect(await requestRaw(upstream.port, 'GET / HTTP/1.1\r\n\r\n')).toMatchObject({
    text: 'cut',
    complete: false,
  })
})

it('leaves the bytes after an upgrade to the connection record', async () => {
  upstream.answerWith('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')
  const socket = await openRaw(upstream.port)
  const answer = readAnswer(socket, { responses: 1 })
  socket.write('GET /u HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nGET /not HTTP/1.1\r\n\r\n')
  expect((await answer).responses[0]?.status).toBe(101)
  expect(upstream.requests).toHaveLength(1)
  expect(upstream.connections[0]?.raw.toString()).toContain('/not')
})

it('answers before the body when asked to', async () => {
  const early = await startUpstream({ answerAtHead: true, answer: response(413, 'no') })
  const answer = await requestRaw(early.port, 'POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\npart')
  expect(answer.status).toBe(413)
  expect(early.requests[0]?.body.toString()).toBe('part')
  await early.close()
})

it('rejects waiting for a request that does not come', async () => {
  await expect(upstream.request(0, 20)).rejects.toThrow('did not reach the upstream')
})
