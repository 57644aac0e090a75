import { describe, expect, it } from 'vitest'
import { redisOptions } from '../../../src/base/redis-options.ts'
import { Secret } from '../../../src/base/secret.ts'

const read = (url: string, ca?: string) => redisOptions(new Secret(url), ca)

describe('redisOptions', () => {
  it('spells out what the address says', () => {
    expect(read('redis://us%40er:p%3Ass@cache.test:6380/3')).toMatchObject({
      host: 'cache.test',
      port: 6380,
      db: 3,
      username: 'us@er',
      password: 'p:ss',
    })
    expect(read('redis://[::1]')).toMatchObject({ host: '::1', port: 6379, db: 0 })
    expect(read('redis://cache.test')).not.toHaveProperty('tls')
    expect(read('redis://cache.test')).not.toHaveProperty('password')
  })

  it('checks the certificate of a rediss: server, by its name and by the given authority', () => {
    expect(read('rediss://cache.test', 'PEM').tls).toEqual({
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      servername: 'cache.test',
      ca: 'PEM',
    })
    expect(read('rediss://10.0.0.1').tls).toEqual({ rejectUnauthorized: true, minVersion: 'TLSv1.2' })
  })

  it('queues nothing and sends nothing again', () => {
    expect(read('redis://cache.test')).toMatchObject({
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    })
  })

  it.each([
    'rediss://u:hunter2@cache.test?tls[rejectUnauthorized]=false',
    'redis://u:hunter2@cache.test?enableOfflineQueue=true',
    'redis://u:hunter2@cache.test#x',
    'redis://u:hunter2@cache.test/x',
    'redis://u:hunter2%zz@cache.test',
    'http://u:hunter2@cache.test',
    'redis:///hunter2',
    'hunter2',
  ])('refuses %s without quoting it', url => {
    let message = ''
    try {
      read(url)
    } catch (error) {
      message = error instanceof TypeError ? error.message : ''
    }
    expect(message).toContain('Redis address')
    expect(message).not.toContain('hunter2')
  })
})
