import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { goodHub, goodSidecar, hubProblems, readSidecar, sidecarProblems } from '../../support/config-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'hopgate-config-'))
const file = join(folder, 'c.yaml')

function put(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content)
  return name
}

const withSecret = (secret: string) =>
  `${goodSidecar}exchange: { server: https://hub.test, client: { secret: ${secret} } }\n`
const withRedis = (redis: string) => `${goodSidecar}cache: { redis: ${redis} }\n`

describe('a client secret', () => {
  it('comes from the environment or a file, one trailing newline cut', () => {
    const secretOf = (text: string): string => {
      const { client } = readSidecar(text, { S: 'shh' }, file).exchange
      return 'secret' in client ? client.secret.expose() : ''
    }
    expect(secretOf(withSecret(`"\${S}"`))).toBe('shh')
    expect(secretOf(withSecret(`{ file: ${put('lf', 'from file \n')} }`))).toBe('from file ')
    expect(secretOf(withSecret(`{ file: ${put('crlf', 'x\r\n')} }`))).toBe('x')
    expect(secretOf(withSecret(`{ file: "${join(folder, put('bare', 'x'))}" }`))).toBe('x')
  })

  it.each([
    ['hunter2'],
    ['"hunter2"'],
    [`"hunter2\${S}"`],
    [`"\${S}hunter2"`],
    [`"\${NONE:-hunter2}"`],
    [`"\${S:-hunter2}"`],
    [`"$\${hunter2}"`],
  ])('written as %s is a literal, refused and not shown', secret => {
    const problems = sidecarProblems(withSecret(secret), { S: 'shh' }, file)
    expect(problems).toEqual([
      `${file}:8:57: exchange.client.secret: found a literal secret; expected \${NAME} or { file: PATH }`,
    ])
  })

  it('is not shown when it is a number, a list or in the wrong place', () => {
    for (const secret of ['1234567', '[1234567]', '{ file: 1234567 }', 'true']) {
      const problems = sidecarProblems(withSecret(secret), {}, file)
      expect(problems).toHaveLength(1)
      expect(problems[0]).not.toContain('1234567')
    }
    const problems = sidecarProblems(`${goodSidecar}exchange: { client: hunter2, server: 1234567 }\n`)
    expect(problems).toHaveLength(2)
    expect(problems.join()).not.toMatch(/hunter2|1234567/)
  })

  it.each([
    ['missing', undefined, 'found a file that does not exist; expected a file that holds the secret'],
    ['empty', '', 'found an empty secret; expected a secret'],
    ['newline', '\n', 'found an empty secret; expected a secret'],
    [
      'lines',
      'hunter2\nhunter3\n',
      'found a secret with line breaks, control characters or characters outside ASCII; expected one line of visible ASCII',
    ],
    [
      'nul',
      'hunter2\0',
      'found a secret with line breaks, control characters or characters outside ASCII; expected one line of visible ASCII',
    ],
    [
      'latin1',
      Buffer.from([0x68, 0xe9]),
      'found a file that is not UTF-8 text; expected a file that holds the secret',
    ],
    [
      'huge',
      'x'.repeat(1024 * 1024 + 1),
      'found a file that is longer than 1 MiB; expected a file that holds the secret',
    ],
    ['.', undefined, 'found a file that is not a regular file; expected a file that holds the secret'],
  ])('in a file that is %s is refused and not shown', (name, content, found) => {
    if (content !== undefined) put(name, content)
    expect(sidecarProblems(withSecret(`{ file: "${name}" }`), {}, file)).toEqual([
      `${file}:8:57: exchange.client.secret: ${found}`,
    ])
  })

  it('is found as a literal also where the rest is wrong', () => {
    const problems = sidecarProblems('exchange: { client: { secret: hunter2, oops: 1 } }\n')
    expect(problems.filter(line => line.includes('a literal secret'))).toHaveLength(1)
  })

  it('does not print', () => {
    const config = readSidecar(withSecret(`"\${S}"`), { S: 'hunter2' })
    expect(JSON.stringify(config)).not.toContain('hunter2')
    expect(inspect(config, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })
})

describe('the address of Redis', () => {
  const redisOf = (text: string): string | undefined =>
    readSidecar(text, { PW: 'p%40ss', URL: 'rediss://:hunter2@redis:6380' }, file).cache.redis?.expose()

  it('may stand in the file without its password', () => {
    expect(redisOf(withRedis('redis://redis:6379'))).toBe('redis://redis:6379')
    expect(redisOf(withRedis('redis://user@redis:6379/3'))).toBe('redis://user@redis:6379/3')
    expect(redisOf(withRedis(`"redis://:\${PW}@redis"`))).toBe('redis://:p%40ss@redis')
    expect(redisOf(withRedis(`"redis://user:\${PW}@redis"`))).toBe('redis://user:p%40ss@redis')
    expect(redisOf(withRedis(`"\${URL}"`))).toBe('rediss://:hunter2@redis:6380')
    expect(redisOf(withRedis(`"\${NONE:-redis://localhost}"`))).toBe('redis://localhost')
    expect(redisOf(withRedis(`{ file: ${put('redis', 'redis://:hunter2@redis\n')} }`))).toBe(
      'redis://:hunter2@redis',
    )
  })

  it.each([
    ['redis://:hunter2@redis'],
    ['redis://user:hunter2@redis'],
    [`"redis://:\${PW}hunter2@redis"`],
    [`"redis://:\${NONE:-hunter2}@redis"`],
    [`"\${NONE:-redis://:hunter2@redis}"`],
  ])('with its password, as in %s, is refused', redis => {
    expect(sidecarProblems(withRedis(redis), { PW: 'x' })).toEqual([
      `c.yaml:8:17: cache.redis: found a literal secret; expected \${NAME} or { file: PATH }`,
    ])
  })

  it.each([
    ['http://:hunter2@redis', 'has another scheme'],
    ['hunter2', 'is not an absolute URL'],
    ['redis://:hunter2@redis/x', 'has a path'],
    ['redis://:hunter2@redis/1?x=1', 'has a query'],
    ['redis://:hun ter2@redis', 'has blanks, control characters or characters outside ASCII'],
    ['redis://:hunter2@REDIS', 'has a host or port that is not written in its one canonical form'],
    ['redis://:hunt/er2@redis', 'is not an absolute URL'],
    ['redis://:hunter2@', 'is not an absolute URL'],
  ])('%s, which %s, is refused and not shown', (url, reason) => {
    const expected = `cache.redis: found a value, which ${reason}; expected a URL such as redis://host:6379 or rediss://host:6379/0`
    expect(sidecarProblems(withRedis(`"\${URL}"`), { URL: url })).toEqual([`c.yaml:8:17: ${expected}`])
    const named = `{ file: ${put('url', url)} }`
    expect(sidecarProblems(withRedis(named), {}, file)).toEqual([`${file}:8:17: ${expected}`])
  })
})

describe('the secrets of a hub', () => {
  it('follow the same rules', () => {
    const literal = goodHub.replace(`\${ORDERS_SECRET}`, 'hunter2')
    expect(hubProblems(`${literal}redis: redis://:hunter2@redis\n`)).toEqual([
      `c.yaml:6:15: sts.clients[0].secret: found a literal secret; expected \${NAME} or { file: PATH }`,
      `c.yaml:8:8: redis: found a literal secret; expected \${NAME} or { file: PATH }`,
    ])
  })
})
