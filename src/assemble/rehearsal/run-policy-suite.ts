import { Secret } from '../../base/secret.ts'
import type { AskedQuestion, PolicyCase, PolicySuite } from '../../config/policy-suite.ts'
import type { IssuerRules } from '../../config/sidecar-config.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import { emptyScope } from '../../oauth/scope-set.ts'
import { tokenType } from '../../oauth/token-type.ts'
import { compareOutcome } from '../../review/compare-outcome.ts'
import type { Outcome } from '../../review/outcome.ts'
import type { SuiteResult } from '../../review/suite-result.ts'
import { createRehearsalKeys, type RehearsalKeys } from './rehearsal-keys.ts'
import { type RehearsedSidecar, rehearse } from './rehearse.ts'
import { rehearseMachine } from './rehearse-machine.ts'
import { rehearsalKeysOf, rehearsedClient, rehearsedHub } from './rehearsed-hub.ts'
import { rehearsedSidecar } from './rehearsed-sidecar.ts'

/** Asks what the cases of a suite ask. Nothing is sent anywhere, and no clock is looked at. */
export async function runPolicySuite(suite: PolicySuite): Promise<SuiteResult> {
  const keys = createRehearsalKeys()
  const cases = []
  for (const asked of suite.cases) {
    const outcome = await ask(suite, asked, keys)
    cases.push({ asked, outcome, differences: compareOutcome(asked.expect, outcome) })
  }
  const { file, policy } = suite
  return { file, policy: policy && { file: policy.file, digest: policy.document.digest }, cases }
}

function ask(suite: PolicySuite, { asked, now }: PolicyCase, keys: RehearsalKeys): Promise<Outcome> {
  if (asked.kind === 'request') return rehearse(rehearsedSidecar(asked.config, suite), asked, now, keys)
  const sidecar = sidecarFor(suite, asked)
  if (asked.mode === 'machine') return rehearseMachine(sidecar, asked, now, keys)
  const { caseId, subject, actor, approval } = asked
  const headers = caseId === undefined ? [] : [caseField, caseId]
  const request = { method: 'GET', url: new URL('http://rehearsal/'), headers, actor, approval }
  return rehearse(sidecar, { ...request, token: subject }, now, keys)
}

const caseField = 'x-case-id'

/** A question is what a sidecar asks that has one route for it, and nothing else to say about it than the policy. */
function sidecarFor(suite: PolicySuite, asked: AskedQuestion): RehearsedSidecar {
  const { server, policy, hub } = suite
  const { client, mode, audience, scope, environment, subject, actor } = asked
  const route: ProtectedRoute = {
    kind: 'protected',
    verify: 'jwt',
    id: 'the question',
    match: { path: '/' },
    websocket: false,
    scope,
    optionalScope: emptyScope,
    audience,
    requestedTokenType: tokenType.accessToken,
    mode,
    privileged: false,
  }
  const tokens = [subject, actor].filter(claims => claims !== undefined)
  const audiences = new Set(tokens.flatMap(({ aud }) => aud).filter(aud => typeof aud === 'string'))
  const issuers = [...new Set(tokens.map(({ iss }) => iss))]
    .filter(issuer => typeof issuer === 'string')
    .map(issuer => rulesFor(issuer, [...audiences]))
  return {
    service: 'rehearsal',
    routes: [route],
    limits: { targetBytes: 1024, headerCount: 64, bodyBytes: undefined, tokenBytes: 65_536 },
    forwarded: { trustedProxies: [] },
    context: { caseId: caseField, actorToken: 'x-actor-token' },
    policy: policy?.document,
    environment,
    issuers,
    exchange: {
      server,
      client: { id: client, authentication: 'client_secret_basic', secret: new Secret('') },
      timeoutMs: 10_000,
      marginSeconds: 0,
      negativeSeconds: 0,
      actor: 'required',
      algorithms: ['ES256'],
      tls: undefined,
      plaintext: true,
    },
    sts:
      hub === undefined
        ? {
            issuer: server,
            ...rehearsalKeysOf,
            ...suite.bounds,
            issuers: issuers.filter(({ issuer }) => issuer !== server),
            clients: [rehearsedClient({ id: client, accepts: [...audiences], audiences: undefined })],
            policy: policy?.document,
            environment,
          }
        : rehearsedHub(hub, {
            policy: policy?.document,
            environment: environment ?? hub.environment,
          }),
  }
}

/** An issuer about whose tokens nothing else is known. */
function rulesFor(issuer: string, audience: readonly string[]): IssuerRules {
  return {
    issuer,
    audience,
    algorithms: [],
    keys: { kind: 'discovery' },
    types: [],
    leewaySeconds: 0,
    maxLifetimeSeconds: Number.MAX_SAFE_INTEGER,
    maxActorDepth: 32,
    plaintext: false,
  }
}
