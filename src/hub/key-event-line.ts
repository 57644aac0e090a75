import { createEventIds } from '../base/event-id.ts'
import { asciiJson } from '../base/json-text.ts'
import type { KeyChange } from '../sts/open-signer.ts'

/**
 * Prepares the function that writes a change of the signing keys as one line: a CloudEvents 1.0 event as
 * `createTokenEventWriter` makes them, of type `io.hopgate.keys.changed.v1`. In `data` are names of keys (`kid`): who
 * `signs`, which are `published`, which were `added` and `removed`.
 */
export function createKeyEventWriter(issuer: string): (change: KeyChange) => string {
  const nextId = createEventIds()
  return ({ at, ...names }) =>
    asciiJson({
      specversion: '1.0',
      id: nextId(at),
      source: issuer,
      type: 'io.hopgate.keys.changed.v1',
      time: new Date(at * 1000).toISOString(),
      datacontenttype: 'application/json',
      data: names,
    })
}
