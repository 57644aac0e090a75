import { expect, it } from 'vitest'
import { createKeyEventWriter } from '../../../src/hub/key-event-line.ts'

it('says which keys there are, which came and which went', () => {
  const write = createKeyEventWriter('https://hub.test')
  const change = { at: 1_800_000_000, signs: 'k2', published: ['k2', 'k1'], added: ['k2'], removed: ['k0'] }
  const { at: _, ...names } = change
  const events = [write(change), write(change)].map(line => JSON.parse(line))
  expect(events[0]).toEqual({
    specversion: '1.0',
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    source: 'https://hub.test',
    type: 'io.hopgate.keys.changed.v1',
    time: '2027-01-15T08:00:00.000Z',
    datacontenttype: 'application/json',
    data: names,
  })
  expect(events[1].id).not.toBe(events[0].id)
})
