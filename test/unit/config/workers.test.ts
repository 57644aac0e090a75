import { describe, expect, it } from 'vitest'
import { goodSidecar, readSidecar, sidecarProblems } from '../../support/config-text.ts'

describe('workers', () => {
  it.each([
    ['auto', 'auto'],
    ['4', 4],
    [`"\${COUNT}"`, 16],
    [`"\${KIND:-auto}"`, 'auto'],
  ])('may be %s', (text, workers) => {
    expect(readSidecar(`${goodSidecar}workers: ${text}\n`, { COUNT: '16' }).workers).toBe(workers)
  })

  it.each([
    ['0', '0'],
    ['257', '257'],
    ['1.5', 'a number'],
    ['many', '"many"'],
    ['true', 'true'],
    ['[2]', 'a list'],
  ])('may not be %s', (text, found) => {
    expect(sidecarProblems(`${goodSidecar}workers: ${text}\n`)).toEqual([
      `c.yaml:8:10: workers: found ${found}; expected auto, or a whole number from 1 to 256`,
    ])
  })

  it('do not change what the policy is, so that processes share what they know', () => {
    const one = readSidecar(goodSidecar)
    const several = readSidecar(`${goodSidecar}workers: 8\n`)
    expect(several.policyDigest).toBe(one.policyDigest)
  })
})
