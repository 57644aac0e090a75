import { fail, ok, type Result } from '../base/result.ts'
import type { Decision } from '../model/decision.ts'
import { subjectKind } from '../model/subject-kind.ts'
import type { VerifiedToken } from '../model/verified-token.ts'
import { type Candidate, type Candidates, indexRules, isCloser } from './candidates.ts'
import type { PolicyDocument } from './document.ts'
import { isNamedByMayAct } from './may-act.ts'
import type { PolicyQuestion } from './question.ts'
import { createCaseReader } from './read-case.ts'
import type { Case, Check, CompiledRule, Lack } from './rule.ts'

/** A document that was prepared to answer. */
export interface Policy {
  readonly document: PolicyDocument
  /** Issuer identifier of the token service. */
  readonly server: string
  /**
   * Decides: the first rule for this mode and audience of which every condition holds. Nothing is permitted otherwise, and the
   * denial begins with the rule that came closest and what it lacks. Pure; never throws.
   */
  decide(question: PolicyQuestion): Decision
}

/**
 * Prepares a document.
 *
 * @param server issuer identifier of the token service whose clients the document speaks of
 * @throws TypeError for a condition that does not compile; the configuration refuses it before
 */
export function createPolicy(document: PolicyDocument, server: string): Policy {
  const findCandidates = indexRules(document)
  const readCase = createCaseReader(document, server)
  return {
    document,
    server,
    decide(question) {
      const { mode } = question
      const client = document.clients.get(question.client)
      if (client === undefined) return deny('the policy does not know the client')
      const { subject, actorToken, context } = question
      if (actorToken !== undefined) {
        if (isOneAndTheSame(subject, actorToken)) return deny('nobody acts for themselves')
        if (subjectKind(actorToken) === 'machine') return deny('a machine is no person who acts')
      }
      const mayAct = subject?.claims['may_act']
      if (mayAct !== undefined && !isNamed(mayAct, question, server))
        return deny('may_act names another actor')
      const caseId = caseIdOf(subject, context.caseId)
      if (!caseId.ok) return deny(caseId.error)
      const asked = readCase(question, client, caseId.value)
      const candidates = findCandidates(mode, asked)
      if (candidates === undefined) return deny(`no rule permits ${mode} into this audience`)
      return decideCase(candidates, asked)
    },
  }
}

const noRule = 'no rule'

function deny(reason: string): Decision {
  return { effect: 'deny', rule: noRule, reason }
}

/** A hundred rules may be asked for one decision: nothing is allocated for one that does not come closer than another. */
function decideCase({ rules, closest }: Candidates, asked: Case): Decision {
  let near = closest
  for (let index = 0; index < rules.length; index++) {
    const candidate = rules[index] as Candidate
    const { checks } = candidate
    let lack: Lack | undefined
    let failed = 0
    for (; failed < checks.length; failed++) {
      lack = (checks[failed] as Check)(asked)
      if (lack !== undefined) break
    }
    if (lack === undefined) return candidate.rule.permit(asked)
    const step = candidate.stepOf[failed] as number
    if (isCloser(step, candidate, near)) near = { candidate, step, lack }
  }
  return near === undefined ? deny(noRule) : denyBy(near.candidate.rule, near.lack)
}

function denyBy(rule: CompiledRule, lack: Lack): Decision {
  return {
    effect: 'deny',
    rule: rule.id,
    reason: `rule ${rule.id} came closest; it lacks ${lack.what}`,
    ...(lack.stepUp !== undefined && { stepUp: lack.stepUp }),
    ...(lack.approvers !== undefined && { approvers: lack.approvers }),
  }
}

/** `may_act` is for delegation (RFC 8693 §4.4): what it permits is to be named, not to disappear. */
function isNamed(mayAct: unknown, { mode, client, actorToken }: PolicyQuestion, server: string): boolean {
  if (mode !== 'delegation') return false
  if (actorToken === undefined) return isNamedByMayAct(mayAct, { id: client, issuer: server })
  const { subject: id, issuer, clientId } = actorToken
  return isNamedByMayAct(mayAct, { id, issuer, clientId })
}

/** Who acts with another token of the subject is no second person. */
function isOneAndTheSame(subject: VerifiedToken | undefined, actorToken: VerifiedToken): boolean {
  return subject?.subject === actorToken.subject && subject.issuer === actorToken.issuer
}

/**
 * The case of a question: the token's, else the one that the request names. The error says that they are two.
 *
 * @param named by the request
 */
export function caseIdOf(
  subject: VerifiedToken | undefined,
  named: string | undefined,
): Result<string | undefined, string> {
  const claimed = subject?.claims['case_id']
  if (typeof claimed !== 'string' || claimed === '') return ok(named)
  return named === undefined || named === claimed
    ? ok(claimed)
    : fail('the request names another case than its token')
}
