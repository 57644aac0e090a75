import type { EpochSeconds } from '../../base/clock.ts'
import { asciiJson } from '../../base/json-text.ts'
import { Recent } from '../../base/recent.ts'
import { redactTokens } from '../../base/redact-tokens.ts'
import type { AuditEvent, InboundFacts, OutboundFacts, QuestionFacts } from '../../model/audit-event.ts'
import { nestSubjects } from '../../oauth/actor.ts'

/**
 * Prepares the function that writes an audit event as one line: a CloudEvents 1.0 event in the JSON format's
 * structured mode, without line end, in printable ASCII.
 *
 * Attributes: `type` is `io.hopgate.hop.<outcome>.v1`, `source` is `/hopgate/<service>`, `subject` is the route,
 * `traceparent` is the distributed tracing extension's. In `data`, claims have their RFC names (`iss`, `sub`,
 * `client_id`, `scope`, `act`, `jti`, `aud`, `exp`), `subject_kind` is ours, and durations are whole microseconds. What is not known is left
 * out.
 *
 * An event is part of every hop, so what depends on the service and route, or on a token, is written once and kept.
 */
export function createCloudEventWriter(service: string): (event: AuditEvent) => string {
  const source = asciiJson(`/hopgate/${encodeURIComponent(service)}`)
  const heads = {
    forwarded: createHeads(source, 'io.hopgate.hop.forwarded.v1'),
    answered: createHeads(source, 'io.hopgate.hop.answered.v1'),
    refused: createHeads(source, 'io.hopgate.hop.refused.v1'),
    failed: createHeads(source, 'io.hopgate.hop.failed.v1'),
  } as const
  const formatTime = createTimeFormat()

  return event => {
    const varying = `"id":"${event.id}","time":"${formatTime(event.at)}"${
      event.traceparent === undefined ? '' : `,"traceparent":${jsonText(event.traceparent)}`
    },"data":{${requestMembers(event)}${personMember(event.person)}${decisionMember(event.decision)}${deliveryMember(event.delivery)},"stage_us":{${stageMembers(event.stageMs)}}`
    return `${heads[event.outcome](event.route)}${redactTokens(varying)}${
      event.inbound === undefined ? '' : inboundMember(event.inbound)
    }${event.outbound === undefined ? '' : outboundMember(event.outbound)}${transactionMember(event.transaction)}}}`
  }
}

function requestMembers(event: AuditEvent): string {
  let members = `"request_id":${jsonText(event.requestId)}`
  if (event.traceId !== undefined) members += `,"trace_id":${jsonText(event.traceId)}`
  members += `,"method":${jsonText(event.method)},"path":${jsonText(event.path)},"peer":${jsonText(event.peer)}`
  members += `,"status":${whole(event.status)}`
  if (event.caseId !== undefined) members += `,"case_id":${jsonText(event.caseId)}`
  if (event.refusal !== undefined) members += `,"refusal":"${event.refusal}"`
  if (event.detail !== undefined) members += `,"detail":${jsonText(event.detail)}`
  return members
}

function decisionMember(decision: AuditEvent['decision']): string {
  if (decision === undefined) return ''
  const { rule, effect, mode, approval, question } = decision
  let members = `"rule":${jsonText(rule)},"effect":"${effect}"`
  if (mode !== undefined) members += `,"mode":"${mode}"`
  if (approval !== undefined) {
    members += `,"approval":${jsonText(approval.id)},"approver":${jsonText(approval.approver)}`
  }
  if (question !== undefined) members += `,"question":${questionText(question)}`
  return `,"decision":{${members}}`
}

/** The same question is asked by many requests of one token. */
const questionTexts = new WeakMap<QuestionFacts, string>()

function questionText(question: QuestionFacts): string {
  let text = questionTexts.get(question)
  if (text === undefined) {
    text = redactTokens(asciiJson(question))
    questionTexts.set(question, text)
  }
  return text
}

function personMember(person: AuditEvent['person']): string {
  if (person === undefined) return ''
  const { issuer, subject, tokenId, fingerprint } = person
  return `,"person":${asciiJson({ iss: issuer, sub: subject, jti: tokenId, fingerprint })}`
}

function transactionMember(transaction: AuditEvent['transaction']): string {
  if (transaction === undefined) return ''
  const { tokenId, fingerprint } = transaction
  return `,"transaction":${redactTokens(asciiJson({ jti: tokenId, fingerprint }))}`
}

function deliveryMember(delivery: AuditEvent['delivery']): string {
  if (delivery === undefined) return ''
  const { status, upstreamMs, bytesIn, bytesOut, complete } = delivery
  return `,"delivery":{"status":${whole(status)},"upstream_us":${micros(upstreamMs)},"bytes_in":${whole(bytesIn)},"bytes_out":${whole(bytesOut)},"complete":${complete}}`
}

function stageMembers({ accept, authenticate, authorize, exchange, forward }: AuditEvent['stageMs']): string {
  let members = stageMember('', '"accept":', accept)
  members = stageMember(members, '"authenticate":', authenticate)
  members = stageMember(members, '"authorize":', authorize)
  members = stageMember(members, '"exchange":', exchange)
  return stageMember(members, '"forward":', forward)
}

function stageMember(before: string, name: string, ms: number | undefined): string {
  if (ms === undefined) return before
  return before === '' ? `${name}${micros(ms)}` : `${before},${name}${micros(ms)}`
}

/** Printable ASCII that stands in JSON as it is: no quote, no backslash, no `<`. */
const plain = /^[ !#-;=-[\]-~]*$/

/** {@link asciiJson} of a text that nearly always needs no escape; looking is cheaper than escaping. */
function jsonText(text: string): string {
  return plain.test(text) ? `"${text}"` : asciiJson(text)
}

/** The members that are the same for every event of a route and outcome, with the opening brace. */
function createHeads(source: string, type: string): (route: string | undefined) => string {
  const head = `{"specversion":"1.0","source":${source},"type":"${type}","datacontenttype":"application/json",`
  const byRoute = new Map<string, string>()
  return route => {
    if (route === undefined) return head
    let text = byRoute.get(route)
    if (text === undefined) {
      text = `${head}"subject":${asciiJson(route)},`
      // Routes come from the configuration, and reloads may bring others.
      if (byRoute.size >= 4_096) byRoute.clear()
      byRoute.set(route, text)
    }
    return text
  }
}

/** Facts and the member that was made of them. */
interface Written<F> {
  readonly facts: F
  readonly text: string
}

/** What was written of tokens that come again soon, by their fingerprints. It is used only for the very same facts. */
const inboundMembers = new Recent<string, Written<InboundFacts>>(1_024)
const outboundMembers = new Recent<string, Written<OutboundFacts>>(1_024)

function inboundMember(facts: InboundFacts): string {
  const known = inboundMembers.get(facts.fingerprint)
  if (known !== undefined && isSameInbound(known.facts, facts)) return known.text
  const json = asciiJson({
    iss: facts.issuer,
    sub: facts.subject,
    client_id: facts.clientId,
    subject_kind: facts.kind,
    scope: facts.scope,
    act: nestSubjects(facts.actors),
    jti: facts.tokenId,
    fingerprint: facts.fingerprint,
  })
  const text = `,"inbound":${redactTokens(json)}`
  inboundMembers.set(facts.fingerprint, { facts, text })
  return text
}

function outboundMember(facts: OutboundFacts): string {
  const known = outboundMembers.get(facts.fingerprint)
  if (known !== undefined && isSameOutbound(known.facts, facts)) return known.text
  const json = asciiJson({
    aud: facts.audience,
    scope: facts.scope,
    act: nestSubjects(facts.actors),
    exp: whole(facts.expiresAt),
    jti: facts.tokenId,
    source: facts.source,
    fingerprint: facts.fingerprint,
  })
  const text = `,"outbound":${redactTokens(json)}`
  outboundMembers.set(facts.fingerprint, { facts, text })
  return text
}

function isSameInbound(a: InboundFacts, b: InboundFacts): boolean {
  return (
    a.issuer === b.issuer &&
    a.subject === b.subject &&
    a.clientId === b.clientId &&
    a.kind === b.kind &&
    a.scope === b.scope &&
    a.tokenId === b.tokenId &&
    isSameList(a.actors, b.actors)
  )
}

function isSameOutbound(a: OutboundFacts, b: OutboundFacts): boolean {
  return (
    a.source === b.source &&
    a.expiresAt === b.expiresAt &&
    a.audience === b.audience &&
    a.scope === b.scope &&
    a.tokenId === b.tokenId &&
    isSameList(a.actors, b.actors)
  )
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((item, index) => item === b[index]))
}

function micros(ms: number): number {
  return whole(ms * 1000)
}

/** JSON has no NaN and no Infinity, and nothing here is negative. */
function whole(value: number): number {
  return value > 0 && value < Number.MAX_SAFE_INTEGER ? Math.round(value) : 0
}

const lastMs = Date.UTC(9999, 11, 31)

/** RFC 3339 in UTC with milliseconds; the text is kept while the millisecond lasts. */
function createTimeFormat(): (at: EpochSeconds) => string {
  let latestMs = -1
  let text = ''
  return at => {
    const ms = Math.min(whole(at * 1000), lastMs)
    if (ms !== latestMs) {
      latestMs = ms
      text = new Date(ms).toISOString()
    }
    return text
  }
}
