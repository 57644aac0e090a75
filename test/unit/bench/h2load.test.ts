import { describe, expect, it } from 'vitest'
import { readOutput } from '../../bench/generators/h2load.ts'

/** As h2load 1.52 prints it. */
const output = (
  requests: string,
  statuses: string,
  data: number,
) => `finished in 1.00s, 6704.00 req/s, 894.23KB/s
requests: ${requests}, 0 timeout
status codes: ${statuses}
traffic: 894.23KB (915688) total, 20.18KB (20664) headers (space savings 95.67%), 689.88KB (${data}) data
`
const log = '1\t200\t1000\n2\t200\t3000\n3\t200\t2000\n'

describe('what h2load prints', () => {
  it('counts no error when more streams were answered than closed at its end', () => {
    const printed = output(
      '6704 total, 6768 started, 6704 done, 6704 succeeded, 0 failed, 0 errored',
      '6728 2xx, 0 3xx, 0 4xx, 0 5xx',
      706_440,
    )
    expect(readOutput(printed, log, 2, 105)).toEqual({
      requests: 6_704,
      requestsPerSecond: 3_352,
      p50Ms: 2,
      p99Ms: 3,
      errors: 0,
    })
  })

  it('counts statuses, resets and calls without a message as errors', () => {
    const printed = output(
      '4408 total, 4472 started, 4408 done, 3520 succeeded, 888 failed, 444 errored',
      '3548 2xx, 0 3xx, 0 4xx, 444 5xx',
      326_808,
    )
    expect(readOutput(printed, log, 1, 105).errors).toBe(888 + 408)
  })

  it('is no measurement without an answer', () => {
    const printed = output('0 total, 0 started, 0 done, 0 succeeded, 0 failed, 0 errored', '0 2xx', 0)
    expect(() => readOutput(printed, '', 1, 105)).toThrow('no answer')
  })
})
