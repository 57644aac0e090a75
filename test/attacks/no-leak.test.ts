import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { issueToAnybody } from '../support/attacked-hop.ts'
import { startAuthorizationServer } from '../support/authorization-server.ts'
import { runHopgate } from '../support/child-process.ts'
import { expectNoToken } from '../support/no-token.ts'
import { openRaw, sendRaw } from '../support/raw-client.ts'
import { startRedis } from '../support/redis.ts'
import { hopYaml } from '../support/start-hop.ts'
import { createTempFolder } from '../support/temp-folder.ts'
import { createTestIssuer, encode } from '../support/tokens.ts'
import { until } from '../support/until.ts'
import { startUpstream } from '../support/upstream.ts'
import { handshakeAnswer, handshakeFields } from '../support/websocket-bytes.ts'

/**
 * A token is good wherever somebody reads it: in a log that is shipped to another team, in an error page, in a metric's
 * label. So a real process meets requests that go well, that are refused at every stage, that break, and that carry a
 * token where none belongs, and an authorization server that quotes tokens in its errors. Afterwards no part of any
 * token, presented or issued, and no secret may stand in anything that the process wrote.
 */

it('C12 writes no token and no secret anywhere, whatever happens to a request', async () => {
  const folder = createTempFolder()
  const [file, auditFile] = [join(folder, 'hopgate.yaml'), join(folder, 'audit.jsonl')]
  const secrets = { TEST_SECRET: 'client-secret-canary-4711', REDIS_PASSWORD: 'redis-password-canary-4712' }
  const issuer = await createTestIssuer({ issuer: 'https://login.test' })
  const [upstream, server] = [await startUpstream(), await startAuthorizationServer()]
  onTestFinished(async () => {
    await upstream.close()
    await server.close()
  })
  const issue = issueToAnybody(server)
  server.onToken(issue)
  const client = `{ authentication: client_secret_basic, secret: '\${TEST_SECRET}' }`
  writeFileSync(
    file,
    hopYaml(issuer, upstream.url, {
      exchange: `{ server: '${server.issuer}', client: ${client}, negative: 0s }`,
      more: `
audit: { file: ${auditFile} }
cache: { redis: 'redis://hopgate:\${REDIS_PASSWORD}@127.0.0.1:9/0' }`,
    }),
  )
  const hopgate = runHopgate(['run', '--config', file], secrets)
  onTestFinished(() => hopgate.signal('SIGKILL'))
  const { url, admin } = await hopgate.logged('ready')
  const port = Number(new URL(String(url)).port)

  const presented: string[] = []
  const answers: Buffer[] = []
  const token = async (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
    const text = await issuer.sign({ scope: 'orders:read', ...claims }, header)
    presented.push(text)
    return text
  }
  const send = async (fields: string, target = '/orders/1'): Promise<number> => {
    const answer = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: orders.test\r\n${fields}\r\n\r\n`)
    answers.push(answer.raw)
    return answer.responses[0]?.status ?? 0
  }
  const signatureOf = (text: string): string => text.split('.')[2] ?? ''
  const bearer = (text: string): string => `Authorization: Bearer ${text}`

  const good = await token()
  expect(await send(bearer(good))).toBe(200)
  const refused: [number, string, string?][] = [
    [401, bearer(await token({ exp: 1 }))],
    [401, bearer(await token({ aud: 'somebody-else' }))],
    [403, bearer(await token({ scope: '' }))],
    [400, `${bearer(await token())}\r\n${bearer(await token())}`],
    [400, `${bearer(await token())}, Bearer ${await token()}`],
    [400, `${bearer(await token())} x`],
    [400, bearer(`"${await token()}"`)],
    [401, bearer(`${await token()}AA`)],
    [401, bearer((await token()).slice(0, -20))],
    [401, bearer(`${await token()}.${await token()}`)],
    [401, `Authorization: Basic ${await token()}`],
    [401, `Proxy-Authorization: Bearer ${await token()}`],
    [400, bearer(good), `/orders/1?access_token=${await token()}`],
    [404, bearer(good), `/elsewhere/${await token()}`],
    [400, bearer(good), `/orders/..%2f${await token()}`],
    [400, `${bearer(good)}\r\nBad Field: ${await token()}`],
    [431, `${bearer(good)}\r\nX-Long: ${(await token()).repeat(60)}`],
    // A token inside of a token, where the log describes what was wrong with it.
    [401, bearer(await token({}, { kid: await token() }))],
    [401, bearer(await token({}, { alg: await token() }))],
    [401, bearer(await token({}, { typ: await token() }))],
    [401, bearer(await token({}, { cty: await token() }))],
    [401, bearer(await token({ iss: await token() }))],
    [401, bearer(await token({}, { kid: signatureOf(await token()) }))],
    [401, bearer(await token({ iss: signatureOf(await token()) }))],
    [401, bearer(`${encode(await token())}.${encode(await token())}.${encode(await token())}`)],
  ]
  for (const [status, fields, target] of refused) {
    expect({ status: await send(fields, target), fields }).toEqual({ status, fields })
  }
  // Where a token may be, though nobody should put it there.
  const inTheWay = await token()
  const places = `X-Request-Id: ${inTheWay.slice(0, 128)}\r\nUser-Agent: ${inTheWay}\r\nCookie: a=${inTheWay}`
  expect(await send(`${bearer(good)}\r\n${places}`, `/orders/${inTheWay}?q=${inTheWay}`)).toBe(200)

  const quote = `subject_token ${good} by client-secret-canary-4711`
  const scripts: [number, Parameters<typeof server.onToken>[0]][] = [
    [
      401,
      ({ form }) => ({
        status: 400,
        body: { error: 'invalid_grant', error_description: form.get('subject_token') },
      }),
    ],
    [
      502,
      ({ form }) => ({ status: 400, body: { error: form.get('subject_token'), error_description: quote } }),
    ],
    [502, () => ({ status: 401, body: { error: 'invalid_client', error_description: quote } })],
    [502, () => ({ body: `<p>${quote}` })],
    [502, ({ form }) => ({ body: { access_token: form.get('subject_token'), token_type: 'Bearer' } })],
    [503, () => ({ status: 500, body: quote })],
    [
      502,
      () => ({ status: 302, headers: { location: `http://127.0.0.1:9/?${quote.replaceAll(' ', '+')}` } }),
    ],
  ]
  for (const [status, script] of scripts) {
    server.onToken(script)
    expect(await send(bearer(await token()))).toBe(status)
  }
  const issued: string[] = []
  server.onToken(async ({ form }) => {
    const text = await server.signer.sign({ ...server.claimsFor(form), aud: 'somebody-else' })
    issued.push(text)
    return {
      body: { access_token: text, token_type: 'Bearer', issued_token_type: form.get('requested_token_type') },
    }
  })
  expect(await send(bearer(await token()))).toBe(502)
  server.onToken(issue)

  upstream.enqueue({ action: 'reset' })
  expect(await send(bearer(await token()))).toBe(502)
  upstream.enqueue('nonsense\r\n\r\n')
  expect(await send(bearer(await token()))).toBe(502)
  answers.push((await sendRaw(port, `${await token()}\r\n\r\n`)).raw)

  const pages = await Promise.all(
    ['metrics', 'readyz', 'livez'].map(async page => (await fetch(`${admin}/${page}`)).text()),
  )
  hopgate.signal('SIGTERM')
  expect(await hopgate.exit()).toBe(0)
  const audit = readFileSync(auditFile, 'utf8')
  expect(audit.trim().split('\n')).toHaveLength(answers.length)

  issued.push(...upstream.requests.map(one => (one.header('authorization') ?? '').replace('Bearer ', '')))
  expect(issued.length).toBeGreaterThan(3)
  expect(presented.length).toBeGreaterThan(40)
  const output = [hopgate.stdout(), hopgate.stderr(), audit, ...pages, ...answers].join('\n')
  expectNoToken(output, [...presented, ...issued, ...Object.values(secrets)])
})

it('C12 writes none with every debug output on, none to Redis, and none into a report on the process', async () => {
  const folder = createTempFolder()
  const file = join(folder, 'hopgate.yaml')
  const secrets = { TEST_SECRET: 'client-secret-canary-4711', REDIS_PASSWORD: 'redis-password-canary-4712' }
  const issuer = await createTestIssuer({ issuer: 'https://login.test' })
  const [upstream, server] = [await startUpstream(), await startAuthorizationServer()]
  const redis = await startRedis({ faults: true })
  onTestFinished(async () => {
    await upstream.close()
    await server.close()
    await redis.stop()
  })
  await redis.cli('ACL', 'SETUSER', 'gate', 'on', `>${secrets.REDIS_PASSWORD}`, '~*', '+@all')
  const monitor = await openRaw(redis.port)
  onTestFinished(() => void monitor.destroy())
  let commands = ''
  monitor.on('data', chunk => {
    commands += chunk.toString('latin1')
  })
  monitor.write('MONITOR\r\n')
  await until(() => commands.includes('+OK'), 'Redis is monitored')

  server.onToken(issueToAnybody(server))
  const client = `{ authentication: client_secret_basic, secret: '\${TEST_SECRET}' }`
  writeFileSync(
    file,
    hopYaml(issuer, upstream.url, {
      exchange: `{ server: '${server.issuer}', client: ${client} }`,
      routes: `
  - { path: '/orders/**', audience: orders-api, scope: orders:read, websocket: true }`,
      more: `cache: { redis: 'redis://gate:\${REDIS_PASSWORD}@127.0.0.1:${redis.port}/0' }`,
    }),
  )
  const report = `--report-on-signal --report-signal=SIGUSR2 --report-exclude-env --report-directory=${folder}`
  const hopgate = runHopgate(['run', '--config', file], {
    ...secrets,
    DEBUG: '*',
    NODE_DEBUG: 'http,http2,net,tls,undici,fetch,stream,timer',
    NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} ${report}`,
  })
  onTestFinished(() => hopgate.signal('SIGKILL'))
  const { url } = await hopgate.logged('ready')
  const port = Number(new URL(String(url)).port)

  const presented: string[] = []
  const send = async (claims: Record<string, unknown>, fields = ''): Promise<number | undefined> => {
    const token = await issuer.sign({ scope: 'orders:read', ...claims })
    presented.push(token)
    const raw = `GET /orders/1 HTTP/1.1\r\nHost: orders.test\r\n${fields}Authorization: Bearer ${token}\r\n\r\n`
    return (await sendRaw(port, raw, { responses: 1 })).responses[0]?.status
  }
  await until(async () => {
    await send({})
    return /"set"|"SET"/.test(commands)
  }, 'an issued token is in Redis')
  expect(await send({ exp: 1 })).toBe(401)
  upstream.enqueue({ action: 'reset' })
  expect(await send({})).toBe(502)
  const upgrade = handshakeFields.map(field => `${field}\r\n`).join('')
  upstream.enqueue(handshakeAnswer)
  expect(await send({}, upgrade)).toBe(101)
  upstream.enqueue({ action: 'reset' })
  expect(await send({}, upgrade)).toBe(502)

  hopgate.signal('SIGUSR2')
  const reports = (): string[] => readdirSync(folder).filter(name => name.startsWith('report.'))
  const readReport = (): string => readFileSync(join(folder, reports()[0] ?? ''), 'utf8')
  await until(() => reports().length > 0 && readReport().trimEnd().endsWith('}'), 'a report')
  hopgate.signal('SIGTERM')
  expect(await hopgate.exit()).toBe(0)

  const issued = upstream.requests.map(one => (one.header('authorization') ?? '').replace('Bearer ', ''))
  const debug = hopgate.stderr()
  // Node's output is there. That of libraries is not: the Redis client's shows passwords.
  for (const part of ['HTTP ', 'NET ', 'STREAM ']) expect(debug).toContain(part)
  expect(debug).not.toContain('ioredis:redis')
  expect(issued.length).toBeGreaterThan(1)
  const output = [hopgate.stdout(), debug, commands, readReport()].join('\n')
  expectNoToken(output, [...presented, ...issued, ...Object.values(secrets)])
})
