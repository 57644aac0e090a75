import { describe, expect, it } from 'vitest'
import { selfTimesByFunction, selfTimesByHome } from '../../bench/cpu-profile.ts'
import { checkSources } from '../../bench/exchange-sources.ts'
import { median, percentile, turned } from '../../bench/statistics.ts'
import { lateVerdict, verdict } from '../../bench/verdict.ts'

describe('the figures of the benchmark', () => {
  it('takes the middle of odd and even counts', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([9, 1, 5, 7])).toBe(6)
    expect(median([])).toBeNaN()
  })

  it('takes the value that a share does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(percentile(hundred, 0.99)).toBe(99)
    expect(percentile(hundred, 0.5)).toBe(50)
    expect(percentile(hundred, 1)).toBe(100)
    expect(percentile([7], 0.01)).toBe(7)
  })

  it('measures every contestant once in each round, and in another order', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const rounds = [0, 1, 2, 3].map(round => turned(names, round))
    for (const round of rounds) expect(round.toSorted()).toEqual(names)
    expect(new Set(rounds.map(String)).size).toBe(rounds.length)
  })

  it('says whether a bound is kept', () => {
    expect(verdict(1.2, 1.2, 2, ' × floor')).toBe('1.20 × floor (≤ 1.20: ok)')
    expect(verdict(1.21, 1.2, 2, ' × floor')).toBe('1.21 × floor (≤ 1.20: miss)')
    expect(verdict(Number.NaN, 1.2, 2)).toBe('–')
  })

  it('does not decide about a latency when the generator was late by as much', () => {
    expect(lateVerdict(0.8, 1, 0.4)).toBe('0.80 (≤ 1.00: ok)')
    expect(lateVerdict(0.8, 1, 0.5)).toBe('0.80 (≤ 1.00: not decided, the generator was late)')
    expect(lateVerdict(Number.NaN, 1, 5)).toBe('–')
  })

  it('accepts a row only when its tokens came from where it says', () => {
    const before = new Map([['issued', 500]])
    const warm = new Map([
      ['issued', 500],
      ['redis', 1_000],
    ])
    const proof = { adminPort: 0, source: 'redis' } as const
    expect(() => checkSources(before, warm, proof)).not.toThrow()
    expect(() => checkSources(before, new Map([...warm, ['issued', 520]]), proof)).toThrow('issued 20')
    expect(() => checkSources(before, before, proof)).toThrow('did not come from redis')
  })
})

describe('a profile', () => {
  const frame = (functionName: string, url = '', lineNumber = -1) => ({
    functionName,
    url,
    lineNumber,
    columnNumber: 0,
  })
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('(garbage collector)') },
      { id: 3, callFrame: frame('resume', 'file:///srv/node_modules/undici/lib/client.js', 11) },
      { id: 4, callFrame: frame('resume', 'file:///srv/node_modules/undici/lib/client.js', 11) },
      { id: 5, callFrame: frame('', 'node:net', 99) },
    ],
    samples: [3, 1, 4, 2, 5],
    timeDeltas: [0, 200, 5_000, 300, 100, 0],
  }

  it('adds up the time of a function wherever it was called, without idle time', () => {
    expect(selfTimesByFunction(profile)).toEqual([
      { place: 'resume undici/lib/client.js:12', microseconds: 500 },
      { place: '(garbage collector)', microseconds: 100 },
      { place: '(anonymous) node:net:100', microseconds: 0 },
    ])
  })

  it('adds up the time of a package', () => {
    expect(selfTimesByHome(profile)[0]).toEqual({ place: 'undici', microseconds: 500 })
  })
})
