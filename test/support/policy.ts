import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatProblems } from '../../src/config/config-problem.ts'
import { parsePolicy } from '../../src/config/parse-policy.ts'
import type { VerifiedToken } from '../../src/model/verified-token.ts'
import { scopeSet } from '../../src/oauth/scope-set.ts'
import type { PolicyDocument } from '../../src/policy/document.ts'
import type { PolicyContext, PolicyQuestion } from '../../src/policy/question.ts'
import { aVerifiedToken } from './nouns.ts'
import { projectRoot } from './source-files.ts'

/** The token service whose clients the policies of the tests speak of. */
export const policyServer = 'https://hub.test'

/** Parses a policy; throws what is wrong with it. */
export function parseTestPolicy(text: string, file = 'policy.yaml'): PolicyDocument {
  const parsed = parsePolicy(text, { file, env: {} })
  if (!parsed.ok) throw new Error(formatProblems(parsed.error))
  return parsed.value
}

/** The policy that ships as an example. */
export function examplePolicy(): PolicyDocument {
  return parseTestPolicy(readFileSync(join(projectRoot, 'config/policy.yaml'), 'utf8'), 'config/policy.yaml')
}

/** A Wednesday at 12:00 UTC. */
export const noon = Date.UTC(2026, 10, 25, 12) / 1000

export function aContext(about: Partial<PolicyContext> = {}): PolicyContext {
  return { now: noon, caseId: undefined, environment: undefined, approval: undefined, ...about }
}

export function aQuestion(about: Partial<PolicyQuestion> = {}): PolicyQuestion {
  return {
    mode: 'delegation',
    client: 'orders',
    audience: 'orders-api',
    scope: scopeSet(['orders:read']),
    subject: aTokenOf('alice'),
    actorToken: undefined,
    context: aContext(),
    ...about,
  }
}

/** A verified token with the given claims, of the login provider unless they say otherwise. */
export function aTokenOf(subject: string, claims: Readonly<Record<string, unknown>> = {}): VerifiedToken {
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'] : 'https://login.test'
  const { client_id: clientId = 'shop-web', acr, auth_time: authTime } = claims
  return aVerifiedToken({
    subject,
    issuer,
    clientId: clientId as string,
    authenticationContext: acr as string | undefined,
    authenticatedAt: authTime as number | undefined,
    claims: { sub: subject, iss: issuer, ...claims },
  })
}
