import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createTestIssuer, type TestIssuer } from '../support/tokens.ts'

const issuer = 'https://login.test'
const sleep = (ms: number): Promise<void> => delay(ms, undefined, { ref: false })
/** A key is published so long before it signs, and so long after: longer than any token lives. */
const publishedMs = { before: 15_000, after: 90_000 }

/** A login provider whose signing key changes, and which publishes the next key before it is used. */
export interface Login {
  readonly issuer: string
  readonly jwksUri: string
  /** Signs with the key of the moment. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
  /** Every token that was signed, for the search for leaks. */
  readonly signed: readonly string[]
  /** How often the key has changed. */
  readonly rotations: number
  close(): void
}

export async function startLogin(rotateMs: number): Promise<Login> {
  let keys: TestIssuer[] = [await createTestIssuer({ issuer, kid: 'key-0' })]
  let signing = keys[0] as TestIssuer
  let rotations = 0
  const signed: string[] = []
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const rotate = async (): Promise<void> => {
    const next = await createTestIssuer({ issuer, kid: `key-${rotations + 1}` })
    keys = [...keys, next]
    await sleep(publishedMs.before)
    const last = signing
    signing = next
    rotations += 1
    await sleep(publishedMs.after)
    keys = keys.filter(key => key !== last)
  }
  const timer = setInterval(() => void rotate(), rotateMs)
  return {
    issuer,
    jwksUri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    async sign(claims) {
      const token = await signing.sign({ ...claims })
      signed.push(token)
      return token
    },
    signed,
    get rotations() {
      return rotations
    },
    close() {
      clearInterval(timer)
      server.close()
      server.closeAllConnections()
    },
  }
}
