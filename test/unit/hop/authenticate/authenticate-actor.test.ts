import { describe, expect, it } from 'vitest'
import { fail, ok } from '../../../../src/base/result.ts'
import { createAuthenticateActor } from '../../../../src/hop/authenticate/authenticate-actor.ts'
import { refusal } from '../../../../src/model/refusal.ts'
import type { Verifier } from '../../../../src/tokens/verifier.ts'
import { createFakeClock } from '../../../support/fake-clock.ts'
import { aRoute, aVerifiedToken } from '../../../support/nouns.ts'

const agent = aVerifiedToken({ subject: 'agent-7' })

function authenticateWith(verifier: Partial<Verifier>) {
  const unused = { recall: () => undefined, verify: () => fail(refusal('token.invalid', 'expired')) }
  const verifiers = { jwt: unused, introspection: { ...unused, ...verifier }, both: unused }
  const authenticate = createAuthenticateActor(verifiers, createFakeClock())
  return (presented: string) => authenticate(presented, aRoute({ verify: 'introspection' }))
}

describe('createAuthenticateActor', () => {
  it('answers, in the way of the route, a token that was verified before without looking at it again', () => {
    expect(authenticateWith({ recall: () => ok(agent) })('a.b.c')).toEqual(ok(agent))
  })

  it('waits for what must be fetched, and says of whose token it speaks', async () => {
    const later = authenticateWith({ verify: async () => fail(refusal('token.invalid', 'expired')) })
    expect(await later('a.b.c')).toMatchObject({
      error: { code: 'token.invalid', detail: 'actor token: expired' },
    })
    expect(await authenticateWith({ verify: async () => ok(agent) })('a.b.c')).toEqual(ok(agent))
  })

  it.each(['', 'Bearer a.b.c', 'a b', 'a,b', 'a\tb', '"a"'])(
    'asks nobody about %j, which is no token',
    presented => {
      const neverAsked: Partial<Verifier> = {
        verify: () => {
          throw new Error('asked')
        },
      }
      expect(authenticateWith(neverAsked)(presented)).toMatchObject({ error: { code: 'token.malformed' } })
    },
  )
})
