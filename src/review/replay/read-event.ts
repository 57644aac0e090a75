import { fail, ok, type Result } from '../../base/result.ts'
import { isJsonObject, type JsonObject } from '../../base/strict-json.ts'
import type { SidecarConfig } from '../../config/sidecar-config.ts'
import type { ProtectedRoute } from '../../model/route.ts'
import type { SubjectKind } from '../../model/subject-kind.ts'
import { type ExchangeMode, exchangeModes } from '../../oauth/exchange-mode.ts'
import { grantType } from '../../oauth/grant-type.ts'
import { emptyScope, parseScope, type ScopeSet } from '../../oauth/scope-set.ts'
import type { PolicyDocument } from '../../policy/document.ts'
import { type Fact, type KnownParty, type PartialQuestion, unknown } from '../partial-case.ts'
import type { PastDecision } from './past-decision.ts'
import { readQuestion } from './read-question.ts'

/** What a record leaves to the configurations, by service. */
export type ConfigsByService = ReadonlyMap<string, SidecarConfig>

/** Reads a line of the audit trail of a sidecar or a hub. `undefined` is an event that no policy decided. */
export type ReadEvent = (line: string) => Result<PastDecision | undefined, string>

/** Prepares the reading of lines for one policy, whose clients may be actors. */
export function createEventReader(document: PolicyDocument, configs: ConfigsByService): ReadEvent {
  return line => {
    const event = parse(line)
    if (event === undefined) return fail('no JSON object')
    const type = text(event, 'type')
    const data = object(event, 'data')
    if (text(event, 'specversion') !== '1.0' || type === undefined || data === undefined) {
      return fail('no CloudEvents 1.0 event with data')
    }
    if (/^io\.hopgate\.hop\.(?:forwarded|refused|failed)\.v1$/.test(type)) {
      return readHop(event, data, document, configs)
    }
    if (/^io\.hopgate\.token\.(?:issued|refused)\.v1$/.test(type)) return readToken(event, data, document)
    return /^io\.hopgate\./.test(type) ? ok(undefined) : fail('no event of Hopgate')
  }
}

function readHop(
  event: JsonObject,
  data: JsonObject,
  document: PolicyDocument,
  configs: ConfigsByService,
): Result<PastDecision | undefined, string> {
  const decision = object(data, 'decision')
  const inbound = object(data, 'inbound')
  if (decision === undefined || inbound === undefined) return ok(undefined)
  const before = readBefore(decision)
  const time = text(event, 'time')
  const service = serviceOf(text(event, 'source'))
  const routeId = text(event, 'subject')
  if (before === undefined || time === undefined || service === undefined || routeId === undefined) {
    return fail('a hop without service, route, time or decision')
  }
  const config = configs.get(service)
  const route = config?.routes.find(
    (one): one is ProtectedRoute => one.kind === 'protected' && one.id === routeId,
  )
  const outbound = object(data, 'outbound')
  const granted = readScope(outbound, 'scope')
  const server = config?.exchange.server ?? unknown
  const person = object(data, 'person')
  const issuer = text(inbound, 'iss')
  const recordedMode = readMode(decision)
  const decidedBy = before.rule === routeId || before.rule.startsWith(`${routeId}#`) ? 'route' : 'policy'
  return ok({
    time,
    client: config?.exchange.client.id ?? service,
    audience: route?.audience ?? text(outbound, 'aud') ?? unknown,
    // Nothing but a rule permits another mode, and then the record says so.
    modes: modesOf(route?.mode ?? recordedMode, before),
    least: route?.scope ?? (outbound === undefined ? unknown : emptyScope),
    most: route?.scope ?? (outbound === undefined ? unknown : granted),
    subject: subjectOf(text(inbound, 'sub'), issuer, server),
    kinds: kindsOf(text(inbound, 'subject_kind')),
    actors:
      person === undefined
        ? actorsNamed(subjectsOf(inbound), { issuer, server, document })
        : [personOf(person, server)],
    caseId: text(data, 'case_id') ?? unknown,
    environment: config === undefined ? unknown : config.environment,
    now: secondsOf(time),
    login: unknown,
    approval: unknown,
    server,
    ticket: undefined,
    before,
    decidedBy,
    isInOrder: isInOrder(before, text(data, 'detail'), recordedMode !== undefined || outbound !== undefined),
    ...readQuestion(decision, document, { now: secondsOf(time) }),
  })
}

function readToken(
  event: JsonObject,
  data: JsonObject,
  document: PolicyDocument,
): Result<PastDecision | undefined, string> {
  const isIssued = text(event, 'type') === 'io.hopgate.token.issued.v1'
  const decision = object(data, 'decision')
  const grant = text(data, 'grant_type')
  // Whatever else is refused is refused before a policy is asked.
  if (decision === undefined && !isIssued) return ok(undefined)
  if (
    grant !== grantType.tokenExchange &&
    grant !== grantType.jwtBearer &&
    grant !== grantType.clientCredentials
  ) {
    return ok(undefined)
  }
  const before =
    decision === undefined ? { effect: 'permit' as const, rule: 'no policy' } : readBefore(decision)
  const time = text(event, 'time')
  const server = text(event, 'source')
  const client = text(data, 'client_id')
  if (before === undefined || time === undefined || server === undefined || client === undefined) {
    return fail('a token event without service, client, time or decision')
  }
  const isMachine = grant === grantType.clientCredentials
  const subjectToken = object(data, 'subject_token')
  const issuer = text(subjectToken, 'iss')
  const scope = readScope(data, 'scope')
  const person = object(data, 'person')
  const about = { issuer, server, document }
  const recordedMode = decision && readMode(decision)
  return ok({
    time,
    client,
    audience: text(data, 'aud') ?? unknown,
    modes: modesOf(isMachine ? 'machine' : recordedMode, before),
    least: scope,
    most: scope,
    subject: isMachine ? undefined : subjectOf(text(subjectToken, 'sub'), issuer, server),
    kinds: isMachine ? ['machine'] : kindsOf(text(subjectToken, 'subject_kind')),
    actors: isMachine
      ? [undefined]
      : person !== undefined
        ? [personOf(person, server)]
        : text(subjectToken, 'subject_kind') !== undefined && subjectToken !== undefined
          ? actorsNamed(subjectsOf(subjectToken), about)
          : isIssued
            ? actorsBefore(subjectsOf(data), client, recordedMode, about)
            : actorsNamed(subjectsOf(data), about),
    caseId: text(data, 'case_id') ?? unknown,
    environment: unknown,
    now: secondsOf(time),
    login: unknown,
    approval: unknown,
    server,
    ticket: text(data, 'purpose') === undefined ? undefined : unknown,
    before,
    decidedBy: decision === undefined ? 'route' : 'policy',
    isInOrder: isInOrder(before, text(data, 'detail'), true),
    ...(decision && readQuestion(decision, document, { now: secondsOf(time) })),
  })
}

function modesOf(
  mode: ExchangeMode | undefined,
  { effect }: PastDecision['before'],
): readonly ExchangeMode[] {
  if (mode !== undefined) return [mode]
  return effect === 'permit' ? ['delegation'] : ['delegation', 'impersonation']
}

/**
 * Whether the question was in order: a rule was looked for, which comes after all else.
 *
 * @param wasChecked whether a permit went through these checks: by a policy, or by the token service that issued
 */
function isInOrder(before: PastDecision['before'], detail: string | undefined, wasChecked: boolean): boolean {
  if (before.effect === 'permit') return wasChecked
  return before.rule !== 'no rule' || detail?.startsWith('no rule permits ') === true
}

const nobodyKnows: KnownParty = {
  subject: unknown,
  issuer: unknown,
  tenant: unknown,
  roles: unknown,
  claims: unknown,
}

function subjectOf(
  subject: string | undefined,
  issuer: string | undefined,
  server: Fact<string>,
): PartialQuestion['subject'] {
  return { ...nobodyKnows, subject: subject ?? unknown, issuer: originOf(issuer, server), kind: unknown }
}

/** The token service passes subjects of other issuers on and says whose they are, which is not in the record. */
function originOf(issuer: string | undefined, server: Fact<string>): Fact<string> {
  return issuer === undefined || server === unknown || issuer === server ? unknown : issuer
}

function kindsOf(recorded: string | undefined): readonly SubjectKind[] {
  return recorded === 'machine' || recorded === 'user' ? [recorded] : ['user', 'machine']
}

function personOf(person: JsonObject, server: Fact<string>): PartialQuestion['actor'] {
  return {
    ...nobodyKnows,
    kind: 'person',
    subject: text(person, 'sub') ?? unknown,
    issuer: originOf(text(person, 'iss'), server),
  }
}

interface About {
  readonly issuer: string | undefined
  readonly server: Fact<string>
  readonly document: PolicyDocument
}

/** Who may be the outermost actor of a token, by the subjects of its chain: their issuers are not in the record. */
function actorsNamed([outermost]: readonly string[], about: About): readonly PartialQuestion['actor'][] {
  if (outermost === undefined) return [undefined]
  const { issuer, server, document } = about
  const other = { ...nobodyKnows, kind: 'other' as const, subject: outermost }
  const isNoClient = !document.clients.has(outermost) || (server !== unknown && issuer !== server)
  if (isNoClient) return [other]
  const client: PartialQuestion['actor'] = {
    ...other,
    kind: 'client',
    tenant: undefined,
    roles: [],
    issuer: server,
  }
  return [other, client]
}

/** The same, of a subject token by the chain of the token that was issued for it: who was the current actor stays so. */
function actorsBefore(
  chain: readonly string[],
  client: string,
  mode: ExchangeMode | undefined,
  about: About,
): readonly PartialQuestion['actor'][] {
  if (mode === 'impersonation' || chain[0] !== client) return [unknown]
  return [...actorsNamed(chain.slice(1), about), ...actorsNamed(chain, about)]
}

/** The subjects of an `act` member, current actor first. */
function subjectsOf(holder: JsonObject): readonly string[] {
  const subjects: string[] = []
  for (let act = object(holder, 'act'); act !== undefined && subjects.length < 64; act = object(act, 'act')) {
    const subject = text(act, 'sub')
    if (subject === undefined) break
    subjects.push(subject)
  }
  return subjects
}

function readBefore(decision: JsonObject): PastDecision['before'] | undefined {
  const rule = text(decision, 'rule')
  const effect = text(decision, 'effect')
  return rule !== undefined && (effect === 'permit' || effect === 'deny') ? { effect, rule } : undefined
}

function readMode(decision: JsonObject): ExchangeMode | undefined {
  return exchangeModes.find(mode => mode === text(decision, 'mode'))
}

function readScope(holder: JsonObject | undefined, name: string): Fact<ScopeSet> {
  return parseScope(text(holder, name) ?? '') ?? unknown
}

function serviceOf(source: string | undefined): string | undefined {
  if (source?.startsWith('/hopgate/') !== true) return undefined
  try {
    return decodeURIComponent(source.slice('/hopgate/'.length))
  } catch {
    return undefined
  }
}

function secondsOf(time: string): Fact<number> {
  const ms = Date.parse(time)
  return Number.isNaN(ms) ? unknown : ms / 1000
}

function parse(line: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function text(holder: JsonObject | undefined, name: string): string | undefined {
  const value = holder !== undefined && Object.hasOwn(holder, name) ? holder[name] : undefined
  return typeof value === 'string' ? value : undefined
}

function object(holder: JsonObject, name: string): JsonObject | undefined {
  const value = Object.hasOwn(holder, name) ? holder[name] : undefined
  return isJsonObject(value) ? value : undefined
}
