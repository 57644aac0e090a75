import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeFrame, FrameBoundary } from '../../../../src/hop/forward/websocket-frames.ts'
import { closeOf, type Frame, opcodes, readFrames, writeFrame } from '../../../support/websocket-bytes.ts'

/** Frames of every shape: each form of the length, masked or not, fragments, control frames, reserved bits. */
const anyFrame = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 9, 10, 3, 11),
  payload: fc
    .oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 130 }) },
      { weight: 1, arbitrary: fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000) },
    )
    .map(length => Buffer.alloc(length, 0x88)),
  isFinal: fc.boolean(),
  isMasked: fc.boolean(),
  reserved: fc.integer({ min: 0, max: 7 }),
})
const anyFrames = fc.array(anyFrame, { minLength: 1, maxLength: 6 })

/** Where each frame ends, and where the first one begins. */
function boundariesOf(frames: readonly Frame[]): {
  readonly bytes: Buffer
  readonly ends: readonly number[]
} {
  const written = frames.map(writeFrame)
  const ends = [0]
  for (const { length } of written) ends.push((ends.at(-1) ?? 0) + length)
  return { bytes: Buffer.concat(written), ends }
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map(cut => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place))
}

const anyCuts = fc.array(fc.nat(), { maxLength: 12 })

describe('FrameBoundary', () => {
  it('knows after any piece of any frames whether a frame is under way', () => {
    fc.assert(
      fc.property(anyFrames, anyCuts, (frames, cuts) => {
        const { bytes, ends } = boundariesOf(frames)
        const boundary = new FrameBoundary()
        let at = 0
        for (const piece of split(bytes, cuts)) {
          boundary.pass(piece)
          at += piece.length
          expect(boundary.isBetweenFrames).toBe(ends.includes(at))
        }
        expect(boundary.hasClosed).toBe(false)
      }),
    )
  })

  it('knows it after every single byte', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 3 }), frames => {
        const { bytes, ends } = boundariesOf(frames)
        const boundary = new FrameBoundary()
        const found = [0]
        for (let at = 0; at < bytes.length; at++) {
          boundary.pass(bytes.subarray(at, at + 1))
          if (boundary.isBetweenFrames) found.push(at + 1)
        }
        expect(found).toEqual(ends)
      }),
      { numRuns: 20 },
    )
  })

  it('finds the end of the frame under way in what comes next, however it comes', () => {
    fc.assert(
      fc.property(anyFrames, fc.nat(), anyCuts, (frames, begin, cuts) => {
        const { bytes, ends } = boundariesOf(frames)
        const from = begin % bytes.length
        const boundary = new FrameBoundary()
        boundary.pass(bytes.subarray(0, from))
        let at = from
        for (const piece of split(bytes.subarray(from), cuts)) {
          const taken = boundary.passFrame(piece)
          at += taken
          if (taken < piece.length) break
        }
        expect(at).toBe(ends.find(end => end >= from))
        expect(boundary.isBetweenFrames).toBe(true)
      }),
    )
  })

  it('notices a Close frame by its header, wherever it stands', () => {
    fc.assert(
      fc.property(anyFrames, anyCuts, fc.boolean(), (before, cuts, isMasked) => {
        const close = writeFrame({ opcode: opcodes.close, payload: Buffer.from([3, 232]), isMasked })
        const boundary = new FrameBoundary()
        const { bytes } = boundariesOf(before)
        for (const piece of split(Buffer.concat([bytes, close.subarray(0, -1)]), cuts)) boundary.pass(piece)
        expect([boundary.hasClosed, boundary.isBetweenFrames]).toEqual([true, false])
        boundary.pass(close.subarray(-1))
        expect(boundary.isBetweenFrames).toBe(true)
      }),
    )
  })

  it.each([
    ['2^63 − 1', '7fffffffffffffff'],
    ['2^64 − 1, which no length may be', 'ffffffffffffffff'],
  ])('never sees the end of a frame of %s bytes, and keeps nothing of it', (_, length) => {
    const boundary = new FrameBoundary()
    boundary.pass(Buffer.concat([Buffer.from([0x82, 0x7f]), Buffer.from(length, 'hex')]))
    for (let pieces = 0; pieces < 100; pieces++) {
      expect(boundary.passFrame(Buffer.alloc(65_536))).toBe(65_536)
      expect(boundary.isBetweenFrames).toBe(false)
    }
  })
})

describe('closeFrame', () => {
  it.each([
    ['client', false],
    ['server', true],
  ] as const)('to a %s is one control frame with code and reason, masked: %s', (to, isMasked) => {
    const { frames, rest } = readFrames(closeFrame(1008, 'token has ended', to))
    expect([frames.length, rest.length]).toEqual([1, 0])
    const [frame] = frames as [Frame]
    expect(frame).toMatchObject({ opcode: opcodes.close, isFinal: true, isMasked, reserved: 0 })
    expect(closeOf(frame)).toEqual({ code: 1008, reason: 'token has ended' })
  })

  it('has a mask of its own each time', () => {
    const masks = Array.from({ length: 50 }, () =>
      closeFrame(1001, '', 'server').subarray(2, 6).toString('hex'),
    )
    expect(new Set(masks).size).toBeGreaterThan(45)
  })
})
