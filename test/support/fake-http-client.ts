import type { HttpClient, OutgoingRequest, OutgoingResponse } from '../../src/base/http-client.ts'

/** An answer, or what is thrown instead of one. */
export type FakeAnswer = Partial<OutgoingResponse> | Error

/** A client without sockets that keeps what it was asked. */
export interface FakeHttpClient extends HttpClient {
  readonly requests: OutgoingRequest[]
  /** The addresses asked, in order. */
  readonly addresses: readonly string[]
}

/** A client whose every request is answered by `respond`; status 200 and an empty body unless it says otherwise. */
export function createFakeHttpClient(
  respond: (request: OutgoingRequest) => FakeAnswer | Promise<FakeAnswer>,
): FakeHttpClient {
  const requests: OutgoingRequest[] = []
  return {
    requests,
    get addresses() {
      return requests.map(request => request.url.href)
    },
    async send(request) {
      requests.push(request)
      const answer = await respond(request)
      if (answer instanceof Error) throw answer
      return { status: 200, headers: new Map(), body: '', ...answer }
    },
    async close() {},
  }
}
