import type { QuestionFacts } from '../model/audit-event.ts'
import type { Decision } from '../model/decision.ts'
import { type Candidate, type Candidates, indexRules, isCloser } from './candidates.ts'
import type { PolicyDocument } from './document.ts'
import type { PolicyQuestion } from './question.ts'
import { questionFacts } from './question-facts.ts'
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
  /** What the record keeps of a question; undefined for one that no rule is asked. */
  describe(question: PolicyQuestion): QuestionFacts | undefined
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
      const asked = readCase(question, client)
      if (!asked.ok) return deny(asked.error)
      const candidates = findCandidates(mode, asked.value)
      if (candidates === undefined) return deny(`no rule permits ${mode} into this audience`)
      return decideCase(candidates, asked.value)
    },
    describe(question) {
      const client = document.clients.get(question.client)
      const asked = client && readCase(question, client)
      return asked?.ok === true ? questionFacts(question, asked.value) : undefined
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
