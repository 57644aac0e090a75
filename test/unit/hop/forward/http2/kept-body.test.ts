import { expect, it } from 'vitest'
import { KeptBody } from '../../../../../src/hop/forward/http2/kept-body.ts'

it('keeps a small body whole', () => {
  const kept = new KeptBody()
  expect(kept).toMatchObject({ isWhole: true, pieces: [] })
  kept.keep(Buffer.from('a'))
  kept.keep(Buffer.alloc(65_535))
  expect(kept.isWhole).toBe(true)
  expect(Buffer.concat(kept.pieces)).toHaveLength(65_536)
})

it('lets go of all of a body that is not small, and keeps nothing of it again', () => {
  const kept = new KeptBody()
  kept.keep(Buffer.alloc(65_536))
  kept.keep(Buffer.from('a'))
  expect(kept).toMatchObject({ isWhole: false, pieces: [] })
  kept.keep(Buffer.from('b'))
  expect(kept).toMatchObject({ isWhole: false, pieces: [] })
})
