import { PassThrough } from 'node:stream'
import { RequestBody, type RequestBodyOptions } from '../../src/hop/forward/request-body.ts'

/** A caller's body that a test writes itself, and what an upstream client is given of it. */
export interface TestBody {
  readonly source: PassThrough
  readonly body: RequestBody
}

/** @param trailers name, value, name, value, …; there when the body has ended */
export function aRequestBody(
  options: Partial<RequestBodyOptions> = {},
  trailers: readonly string[] = [],
): TestBody {
  const message = { rawTrailers: trailers, rawHeaders: [], httpVersion: '1.1', socket: {} }
  const source = Object.assign(new PassThrough(), message)
  const body = new RequestBody(source, {
    length: undefined,
    maxBytes: undefined,
    onTooLarge: () => {
      throw new Error('the test sends too much')
    },
    ...options,
  })
  return { source, body }
}
