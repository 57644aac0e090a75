/**
 * The number of the ticket or case that a person acts under: what is written in a request, a token's `case_id` claim and
 * the audit trail. Short and plain, so that it can be a header's value and a pattern of the policy costs little.
 */
const syntax = /^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,63}$/

export function isCaseId(text: string): boolean {
  return syntax.test(text)
}
