import { describe, expect, it } from 'vitest'
import { takeRandomBytes } from '../../../src/base/random-bytes.ts'

describe('takeRandomBytes', () => {
  it('hands no byte out twice, and leaves what it handed out alone', () => {
    const taken = Array.from({ length: 2_000 }, () => takeRandomBytes(16))
    const texts = taken.map(bytes => bytes.toString('hex'))
    for (let index = 0; index < 1_000; index++) takeRandomBytes(20)
    expect(taken.map(bytes => bytes.toString('hex'))).toEqual(texts)
    expect(new Set(texts).size).toBe(texts.length)
    expect(taken.every(bytes => bytes.length === 16)).toBe(true)
  })

  it('gives as many as a block has', () => {
    expect(takeRandomBytes(4_096).length).toBe(4_096)
    expect(takeRandomBytes(1).length).toBe(1)
  })
})
