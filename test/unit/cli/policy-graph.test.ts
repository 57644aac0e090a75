import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { policy } from '../../../src/cli/policy.ts'
import { createTempFolder } from '../../support/temp-folder.ts'

const login = 'issuers: [{ issuer: https://login.test, audience: [web] }]'
const shop = `
service: shop
upstream: http://127.0.0.1:3000
${login}
exchange: { server: https://hub.test, client: { secret: "\${SHOP_SECRET}" } }
cache: { redis: "\${SHOP_REDIS}" }
routes: [{ path: /**, audience: shop-api, scope: shop:read }]
`
const hub = `
redis: \${HUB_REDIS}
sts:
  issuer: https://hub.test
  ${login}
  clients: [{ id: shop, secret: "\${SHOP_SECRET}", accepts: [web], audiences: { shop-api: { scope: shop:read } } }]
`

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = createTempFolder()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await policy(['graph', ...args], {
    stdout: { write: text => (out += text) },
    stderr: { write: text => (err += text) },
  })
  return { code, out, err }
}

describe('hopgate policy graph', () => {
  it('reads what is below a folder, needs no secret for it, and exits 0 when nothing is wrong', async () => {
    const folder = folderWith({ 'shop/sidecar.yaml': shop, 'hub.yml': hub, 'other.yaml': 'kind: Deployment' })
    const { code, out, err } = await run(folder)
    expect(err).toBe(`${folder}/other.yaml: passed over: neither a sidecar's nor a hub's configuration\n`)
    expect(out).toContain('→ shop-api: shop:read')
    expect(code).toBe(0)
  })

  it('needs no file of a secret or of keys either, but the policy', async () => {
    const files = {
      'shop.yaml': shop.replace(/secret: "[^"]*"/, 'secret: { file: /run/secrets/none }'),
      'hub.yaml': hub.replace(/secret: "[^"]*"/, 'jwks: { file: shop.public.jwks }'),
    }
    const { code, out } = await run(folderWith(files))
    expect(out).toContain('→ shop-api: shop:read')
    expect(code).toBe(0)
    const lost = await run(folderWith({ ...files, 'hub.yaml': `policy: policy.yaml\n${files['hub.yaml']}` }))
    expect(lost.code).toBe(1)
    expect(lost.err).toContain('policy')
  })

  it.each([
    ['json', '"version": 1'],
    ['dot', 'digraph hopgate {'],
    ['mermaid', 'flowchart LR'],
  ])('writes %s', async (format, beginning) => {
    const { code, out } = await run(folderWith({ 'shop.yaml': shop, 'hub.yaml': hub }), '--format', format)
    expect(out).toContain(beginning)
    expect(out).toContain('shop-api')
    if (format === 'json') expect(JSON.parse(out)).toMatchObject({ findings: [], entries: [{}] })
    expect(code).toBe(0)
  })

  it('exits 1 for a finding that --fail-on names, and tells it in any case', async () => {
    const folder = folderWith({
      'shop.yaml': shop.replace('scope: shop:read }', 'scope: shop:write }'),
      'hub.yaml': hub,
    })
    const said = 'unsatisfiable-route: nothing can pass shop'
    for (const [failOn, code] of [
      ['all', 1],
      ['loop,unsatisfiable-route', 1],
      ['loop', 0],
      ['none', 0],
    ] as const) {
      const result = await run(folder, '--fail-on', failOn)
      expect(result.code).toBe(code)
      expect(result.out).toContain(said)
    }
    const drawn = await run(folder, '--format', 'dot')
    expect(drawn.code).toBe(1)
    expect(drawn.err).toContain(said)
  })

  it('exits 1 for a configuration that is not good, as for one that what decides is missing from', async () => {
    const folder = folderWith({
      'shop.yaml': shop.replace('audience: shop-api', `audience: "\${SHOP_AUDIENCE}"`),
    })
    const { code, out, err } = await run(folder)
    expect(code).toBe(1)
    expect(out).toBe('')
    expect(err).toContain('{SHOP_AUDIENCE}, which is not set')
    const set = join(folderWith({ '.env': 'SHOP_AUDIENCE=shop-api\n' }), '.env')
    expect((await run(folder, '--env-file', set)).code).toBe(0)
    expect((await run(createTempFolder())).code).toBe(1)
    expect((await run('/nowhere')).err).toContain('ENOENT')
  })

  it('exits 2 for options that it does not know', async () => {
    for (const args of [[], ['--format', 'text'], ['.', '--format', 'svg'], ['.', '--fail-on', 'lop']]) {
      const { code, err } = await run(...args)
      expect(code).toBe(2)
      expect(err).toContain('Usage: hopgate policy graph')
    }
  })
})
