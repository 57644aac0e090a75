import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { startRedis, type TestRedis } from '../../support/redis.ts'

let redis: TestRedis | undefined

afterEach(async () => {
  vi.unstubAllEnvs()
  await redis?.stop()
})

it('starts a private server that stops, restarts empty on the same port and pauses', async () => {
  redis = await startRedis({ faults: true })
  const folder = (await redis.cli('CONFIG', 'GET', 'dir')).split('\n')[1] ?? ''
  expect(existsSync(folder)).toBe(true)
  expect(await redis.cli('SET', 'a', '1')).toBe('OK')

  const paused = redis.pause(300)
  const before = performance.now()
  expect(await redis.cli('GET', 'a')).toBe('1')
  expect(performance.now() - before).toBeGreaterThan(150)
  await paused

  await redis.stop()
  expect(existsSync(folder)).toBe(false)
  await expect(redis.cli('PING')).rejects.toThrow()
  await redis.restart()
  expect(await redis.cli('EXISTS', 'a')).toBe('0')
})

it('uses the server of REDIS_URL, clears only its own keys and refuses to break it', async () => {
  redis = await startRedis({ faults: true })
  vi.stubEnv('REDIS_URL', redis.url)
  const shared = await startRedis()
  expect(shared.isPrivate).toBe(false)
  await shared.cli('SET', `${shared.prefix}mine`, '1')
  await shared.cli('SET', 'theirs', '1')
  await shared.stop()
  expect(await redis.cli('KEYS', '*')).toBe('theirs')
  await expect(shared.restart()).rejects.toThrow('faults')
  await expect(shared.pause(1)).rejects.toThrow('faults')
})

it('names what to install when there is no server', async () => {
  vi.stubEnv('PATH', '/nonexistent')
  vi.stubEnv('REDIS_URL', '')
  await expect(startRedis()).rejects.toThrow('install redis-server or valkey-server')
})

it('leaves nobody listening after stop', async () => {
  const own = await startRedis({ faults: true })
  await own.stop()
  await own.stop()
  const refused = await new Promise<boolean>(resolve => {
    connect(own.port, '127.0.0.1', () => resolve(false)).on('error', () => resolve(true))
  })
  expect(refused).toBe(true)
})
