import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { check } from '../../../src/cli/check.ts'
import { goodHub, goodSidecar } from '../../support/config-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'hopgate-check-'))

function put(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await check(args, {
    stdout: { write: text => (out += text) },
    stderr: { write: text => (err += text) },
  })
  return { code, out, err }
}

beforeAll(() => {
  process.env['ORDERS_SECRET'] = 'hunter2'
})
afterAll(() => {
  delete process.env['ORDERS_SECRET']
})

describe('hopgate check', () => {
  it('says that a good configuration is good, and what it is', async () => {
    const file = put('good.yaml', goodSidecar)
    const summary = 'sidecar orders: 1 route, 1 issuer, tokens from the token service inside'
    for (const args of [[file], ['--config', file], ['-c', file]]) {
      expect(await run(...args)).toEqual({ code: 0, out: `${file}: OK\n${summary}\n`, err: '' })
    }
    const external = put(
      'ext.yaml',
      `${goodSidecar}exchange: { server: https://hub.test, client: { key: k } }\n`,
    )
    expect((await run(external)).out).toBe(
      `${external}: OK\nsidecar orders: 1 route, 1 issuer, tokens from https://hub.test\n`,
    )
  })

  it('knows a hub by its keys', async () => {
    const file = put('hub.yaml', goodHub)
    const answer = { code: 0, out: `${file}: OK\nhub https://hub.test: 1 client, 1 issuer\n`, err: '' }
    expect(await run(file)).toEqual(answer)
    expect(await run('--hub', file)).toEqual(answer)
  })

  it('says what is wrong on standard error, and nothing of a secret', async () => {
    const file = put('bad.yaml', `${goodSidecar}chache: { redis: "redis://:\${ORDERS_SECRET}@X" }\n`)
    const answer = await run(file)
    expect(answer).toMatchObject({ code: 1, out: '' })
    expect(answer.err).toMatch(
      /^\S+bad\.yaml:8:1: chache: found an unknown key; .*; did you mean "cache"\?\n$/,
    )
    expect(answer.err).not.toContain('hunter2')
    expect((await run('--hub', file)).err).toContain('service: found an unknown key')
  })

  it('takes a sidecar that lacks its service for a sidecar', async () => {
    const file = put('nameless.yaml', goodSidecar.replace('service: orders\n', ''))
    expect((await run(file)).err).toContain(':1:1: service: found nothing')
  })

  it('warns of a rule that can never permit, and calls the policy good', async () => {
    const rule =
      '{ id: jobs, mode: machine, who: { client: [orders] }, into: [jobs], require: { acr: [mfa] } }'
    const text = `clients: { orders: { kind: service } }\naudiences: { jobs: { scopes: [] } }\nrules: [${rule}]\n`
    const file = put('dead.yaml', text)
    expect(await run(file)).toMatchObject({
      code: 0,
      err: `${file}: warning: rule jobs never permits: it requires a login, and a machine has none\n`,
    })
    expect(await run(put('alive.yaml', text.replace('acr: [mfa]', '')))).toMatchObject({ code: 0, err: '' })
  })

  it('fails on a file that is not there', async () => {
    const answer = await run(join(folder, 'none.yaml'))
    expect(answer).toMatchObject({ code: 1, out: '' })
    expect(answer.err).toContain('does not exist')
  })

  it.each([[[]], [['a', 'b']], [['--nope', 'a']], [['a', '--config', 'b']], [['--config']]])(
    'explains itself when called as %j',
    async args => {
      const answer = await run(...args)
      expect(answer).toEqual({ code: 2, out: '', err: 'Usage: hopgate check [--hub] FILE\n' })
    },
  )
})
