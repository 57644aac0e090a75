import type { Clock } from '../../base/clock.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import type { AdmittedRequest } from '../../model/admitted-request.ts'
import type { Decision } from '../../model/decision.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import type { VerifiedToken } from '../../model/verified-token.ts'
import { formatScope } from '../../oauth/scope-set.ts'
import { hopQuestion, transactionQuestion } from '../../policy/document-engine.ts'
import type { PolicyQuestion } from '../../policy/question.ts'
import { createRouteRules } from '../../policy/route-rules.ts'
import { createPolicyTrace, type RuleTrace } from '../../policy/trace.ts'
import type { Fact } from '../../review/explanation.ts'

/** What everybody who is asked about a request says to it. */
export interface ExplainedDecision {
  readonly facts: readonly Fact[]
  /** Who was not asked, and would be. */
  readonly unproven: readonly string[]
}

/** Asks the route's own rules and the policy, each for itself. Whoever else a sidecar would ask is only named. */
export async function explainDecision(
  { routes, policy, environment, exchange }: SidecarConfig,
  clock: Clock,
  request: AdmittedRequest<ProtectedRoute>,
  token: VerifiedToken,
  actorToken: VerifiedToken | undefined,
): Promise<ExplainedDecision> {
  const { route } = request
  const own = await createRouteRules(routes).decide(request, token, actorToken)
  const facts: Fact[] = [
    { name: 'route asks', value: describeRoute(route) },
    { name: 'route rules', value: describeDecision(own) },
  ]
  const unproven: string[] = []
  if (route.decide !== undefined) {
    const { point } = route.decide
    facts.push({ name: 'decision point', value: `${point} would be asked as well, and was not` })
    unproven.push(`the decision point ${point} was not asked`)
  }
  if (policy === undefined) {
    return { facts: [...facts, { name: 'policy', value: 'none is configured' }], unproven }
  }
  facts.push({ name: 'policy', value: policy.digest })
  const trace = createPolicyTrace(policy, exchange.server)
  const asking = { client: exchange.client.id, environment, clock }
  const questions = [{ prefix: '', question: hopQuestion(asking, request, token, actorToken) }]
  const { trustDomain } = route
  if (trustDomain !== undefined && request.transactionToken === undefined) {
    const question = transactionQuestion(asking, request, token, trustDomain)
    questions.push({ prefix: 'Transaction Token: ', question })
  }
  for (const { prefix, question } of questions) {
    const { decision, rules } = trace(question)
    facts.push(
      { name: `${prefix}question`, value: describeQuestion(question) },
      { name: `${prefix}rules`, value: describeRules(rules, decision) },
      { name: `${prefix}decision`, value: describeDecision(decision) },
    )
    if (decision.effect === 'deny' && decision.approvers !== undefined) {
      unproven.push(`an approval by ${decision.approvers.join(' or ')} was not looked for`)
    }
  }
  return { facts, unproven }
}

function describeQuestion({ mode, client, audience, scope, context }: PolicyQuestion) {
  const { caseId, environment, now } = context
  return {
    mode,
    client,
    audience,
    scope: formatScope(scope),
    case_id: caseId,
    environment,
    now: new Date(now * 1000).toISOString(),
  }
}

function describeRoute({
  audience,
  resource,
  scope,
  optionalScope,
  mode,
  ttlSeconds,
  require,
}: ProtectedRoute) {
  return {
    audience,
    resource,
    scope: formatScope(scope),
    optional_scope: formatScope(optionalScope) || undefined,
    mode,
    ttl_seconds: ttlSeconds,
    acr: require?.acrValues,
    max_age_seconds: require?.maxAgeSeconds,
  }
}

function describeDecision(decision: Decision): string {
  if (decision.effect === 'deny') return `deny: ${decision.reason}`
  const { rule, scope, ttlSeconds } = decision
  const most = scope === undefined ? '' : `, at most ${formatScope(scope) || 'no scope'}`
  const life = ttlSeconds === undefined ? '' : `, for ${ttlSeconds} s at most`
  return `permit by ${rule}${most}${life}`
}

function describeRules(rules: readonly RuleTrace[], decision: Decision): readonly string[] {
  if (rules.length === 0) return ['none is about this mode and audience']
  return rules.map(({ rule, lacks, passed, steps }) => {
    if (lacks !== undefined) return `${rule}: lacks ${lacks} (after ${passed} of ${steps} steps)`
    return rule === decision.rule
      ? `${rule}: permits, and decides`
      : `${rule}: would permit, but a rule before it decides`
  })
}
