import type { GivenApproval } from '../../config/policy-suite.ts'
import type { ApprovalStore } from '../../policy/approval.ts'

/** A store that holds one approval, which is about whatever is asked for unless it says otherwise. */
export function createGivenApproval(given: GivenApproval | undefined): ApprovalStore | undefined {
  return given && { find: async occasion => ({ id: 'given', ...occasion, ...given }) }
}
