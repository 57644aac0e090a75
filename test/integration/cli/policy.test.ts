import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runHopgate } from '../../support/child-process.ts'
import { projectRoot } from '../../support/source-files.ts'
import { createTempFolder } from '../../support/temp-folder.ts'
import { elementsOf, parseXml } from '../../support/xml.ts'

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const command = runHopgate(args)
  const code = await command.exit(30_000)
  return { code, out: command.stdout(), err: command.stderr() }
}

/** The example policy and its tests, in a folder where they can be changed. */
function copyExample(): string {
  const folder = createTempFolder()
  for (const file of ['policy.yaml', 'policy.test.yaml']) {
    copyFileSync(join(projectRoot, 'config', file), join(folder, file))
  }
  return folder
}

function replaceIn(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8')
  expect(text).toContain(from)
  writeFileSync(file, text.replace(from, to))
}

describe('hopgate policy', () => {
  it('says what it can do, and exits 2, when it is not told what to do', async () => {
    for (const args of [[], ['nothing'], ['toString']]) {
      const { code, out, err } = await run('policy', ...args)
      expect(code).toBe(2)
      expect(out).toBe('')
      expect(err).toContain('hopgate policy test FILE')
      expect(err).toContain('hopgate policy matrix FILE')
    }
  })
})

describe('hopgate policy test', () => {
  let ended: { code: number | null; out: string; err: string }

  beforeAll(async () => {
    ended = await run('policy', 'test', 'config/policy.test.yaml')
  })

  it('passes the tests of the example policy', () => {
    expect(ended.err).toBe('')
    expect(ended.out).toMatch(/^config\/policy\.test\.yaml: policy config\/policy\.yaml [0-9a-f]{12}\n/)
    expect(ended.out).toContain('  ✓ an agent does nothing without a case id\n')
    expect(ended.out).toMatch(/\n\d+ passed\n$/)
    expect(ended.code).toBe(0)
  })

  it('fails, and says why, when the policy permits what it must not', async () => {
    const folder = copyExample()
    replaceIn(join(folder, 'policy.yaml'), "require: { case_id: 'CASE-[0-9]{4,}' }\n    ttl: 1m", 'ttl: 1m')
    const { code, out } = await run('policy', 'test', join(folder, 'policy.test.yaml'))
    expect(code).toBe(1)
    expect(out).toContain(
      '  ✗ an agent does nothing without a case id\n      decision: expected deny, got permit\n',
    )
    expect(out).toMatch(/\n\d+ passed, 2 failed\n$/)
  })

  it('tests another policy, and only some cases, when told to', async () => {
    const folder = copyExample()
    const other = join(folder, 'other.yaml')
    copyFileSync(join(folder, 'policy.yaml'), other)
    replaceIn(other, 'roles: [support], tenant: as-subject', 'roles: [support]')
    const args = ['policy', 'test', join(folder, 'policy.test.yaml'), '--policy', other]
    const { code, out } = await run(...args, '--filter', 'ANOTHER TENANT')
    expect(out).toContain(`policy ${other} `)
    expect(out).toMatch(/\n0 passed, 1 failed\n$/)
    expect(code).toBe(1)
    expect((await run(...args, '--filter', 'own tenant')).code).toBe(0)
    const none = await run(...args, '--filter', 'no such case')
    expect(none).toMatchObject({ code: 1, out: '' })
    expect(none.err).toContain('no case')
  })

  it('puts another policy in the place of those that sidecars name', async () => {
    const other = join(createTempFolder(), 'other.yaml')
    copyFileSync(join(projectRoot, 'config/demo/policy.yaml'), other)
    replaceIn(other, 'into: [billing], ttl: 1m', 'into: [billing], ttl: 2m')
    const { code, out } = await run('policy', 'test', 'config/demo/policy.test.yaml', '--policy', other)
    expect(code).toBe(1)
    expect(out).toContain(
      '  ✗ billing is behind orders, and its tokens live a minute\n      life: expected 1m, got 2m\n',
    )
    expect(out).toMatch(/\n8 passed, 1 failed\n$/)
  })

  it('writes JUnit XML and JSON of the same result', async () => {
    const folder = copyExample()
    replaceIn(join(folder, 'policy.yaml'), 'ttl: 30s', 'ttl: 31s')
    const junit = join(folder, 'out.xml')
    const { code, out } = await run(
      'policy',
      'test',
      join(folder, 'policy.test.yaml'),
      '--json',
      '--junit',
      junit,
    )
    expect(code).toBe(1)
    const report = JSON.parse(out)
    const root = parseXml(readFileSync(junit, 'utf8'))
    expect(report).toMatchObject({ failed: 1 })
    expect(root.attributes).toMatchObject({
      tests: String(report.passed + report.failed),
      failures: '1',
    })
    expect(elementsOf(root, 'failure').map(({ attributes }) => attributes['message'])).toEqual([
      'life: expected 30s, got 31s',
    ])
  })

  it('points to what is wrong with the tests, and to what is wrong with the policy', async () => {
    const folder = copyExample()
    const file = join(folder, 'policy.test.yaml')
    replaceIn(file, 'case_id: CASE-1042', 'caseid: CASE-1042')
    const unknown = await run('policy', 'test', file)
    expect(unknown).toMatchObject({ code: 1, out: '' })
    expect(unknown.err).toMatch(
      /policy\.test\.yaml:\d+:\d+: cases\[0\]\.given\.caseid: found an unknown key; .*did you mean "case_id"\?\n$/,
    )
    replaceIn(join(folder, 'policy.yaml'), 'client: [support-desk, orders]', 'client: [support-desk, order]')
    replaceIn(file, 'caseid: CASE-1042', 'case_id: CASE-1042')
    const bad = await run('policy', 'test', file)
    expect(bad.err).toMatch(
      /policy\.yaml:\d+:\d+: rules\[0\]\.who\.client\[1\]: found a client that is not there/,
    )
    expect(bad.code).toBe(1)
  })

  it.each([[[]], [['a.yaml', 'b.yaml']], [['a.yaml', '--policy']], [['a.yaml', '--junt', 'x']]])(
    'exits 2 and shows its usage for %j',
    async args => {
      const { code, err } = await run('policy', 'test', ...args)
      expect(code).toBe(2)
      expect(err).toContain('Usage: hopgate policy test FILE')
    },
  )
})

describe('hopgate policy matrix', () => {
  it('writes Markdown, CSV or a page, to standard output or to a file', async () => {
    const markdown = await run('policy', 'matrix', 'config/policy.yaml')
    expect(markdown).toMatchObject({ code: 0, err: '' })
    expect(markdown.out).toContain(
      '| `worker-itself` | machine | `nightly` | nobody | the client itself | `jobs-api` |',
    )
    const csv = await run('policy', 'matrix', 'config/policy.yaml', '--format', 'csv')
    expect(csv.out.split('\r\n').length).toBe(13)
    const out = join(createTempFolder(), 'matrix.html')
    const page = await run('policy', 'matrix', 'config/policy.yaml', '--format', 'html', '--out', out)
    expect(page).toMatchObject({ code: 0, out: '' })
    expect(readFileSync(out, 'utf8')).toMatch(/^<!doctype html>\n/)
  })

  it('exits 1 for a policy that is not good, and says where; 2 for wrong usage', async () => {
    const missing = await run('policy', 'matrix', 'no-such-file.yaml')
    expect(missing).toMatchObject({ code: 1, out: '' })
    expect(missing.err).toContain('no-such-file.yaml: found a file that does not exist')
    for (const args of [
      [],
      ['config/policy.yaml', '--format', 'pdf'],
      ['config/policy.yaml', '--format', 'constructor'],
    ]) {
      const { code, err } = await run('policy', 'matrix', ...args)
      expect(code).toBe(2)
      expect(err).toContain('Usage: hopgate policy matrix FILE')
    }
    const unwritable = await run('policy', 'matrix', 'config/policy.yaml', '--out', '/no/such/folder/x')
    expect(unwritable).toMatchObject({ code: 1 })
    expect(unwritable.err).toContain('cannot be written (ENOENT)')
  })
})
