import { formatDuration } from '../base/duration-text.ts'
import type { BusinessHours, PolicyRule } from '../policy/document.ts'
import { joinPhrases, listOf, type Phrase, quoted } from './phrase.ts'

/** Who may act by a rule, for the token's `act` and for `when`. */
export function describeActor({ mode, who: { actor } }: PolicyRule): Phrase {
  if (mode === 'machine') return ['nobody']
  if (actor === undefined) return ['nobody, or a client']
  if (actor === 'anyone') return ['anyone, or nobody']
  const { subjects, issuers, roles, tenant } = actor
  const parts: Phrase[] = [
    subjects === undefined ? ['somebody'] : listOf(subjects),
    ...(roles === undefined ? [] : [['with role ', ...listOf(roles)]]),
    ...(issuers === undefined ? [] : [['from ', ...listOf(issuers)]]),
  ]
  if (tenant === 'as-subject') parts.push(['of the same tenant as the subject'])
  else if (tenant !== undefined) parts.push(['of tenant ', ...listOf(tenant)])
  return joinPhrases(parts, ' ')
}

/** Whose tokens a rule takes. */
export function describeSubject({ mode, for: rule }: PolicyRule): Phrase {
  if (mode === 'machine') return ['the client itself']
  const parts: Phrase[] = [[rule.kinds === undefined ? 'anybody' : rule.kinds.join(' or ')]]
  if (rule.subjects !== undefined) parts.push(listOf(rule.subjects))
  if (rule.issuers !== undefined) parts.push(['from ', ...listOf(rule.issuers)])
  if (rule.tenants !== undefined) parts.push(['of tenant ', ...listOf(rule.tenants)])
  for (const [claim, values] of rule.attributes) {
    parts.push(['with ', quoted(claim), ' ', ...listOf(values.map(value => JSON.stringify(value)))])
  }
  return joinPhrases(parts, ' ')
}

/** What a rule asks of the occasion, in the order in which it is checked. */
export function describeConditions({ when, ticket, require }: PolicyRule): readonly Phrase[] {
  const { caseId, acr, maxAgeSeconds, approval, environments, businessHours } = require
  const conditions: Phrase[] = []
  if (ticket !== undefined) conditions.push([`to ${ticket.step} a ticket for `, ...listOf(ticket.purposes)])
  if (when !== undefined) conditions.push(['when ', quoted(when)])
  if (environments !== undefined) conditions.push(['in ', ...listOf(environments)])
  if (businessHours !== undefined) conditions.push([describeHours(businessHours)])
  if (caseId !== undefined) conditions.push(['case id ', quoted(caseId)])
  if (acr !== undefined) conditions.push(['login of class ', ...listOf(acr)])
  if (maxAgeSeconds !== undefined) conditions.push([`login within ${formatDuration(maxAgeSeconds)}`])
  if (approval !== undefined) conditions.push(['approved by ', ...listOf(approval)])
  return conditions
}

const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const

function describeHours({ days, fromMinute, toMinute, timeZone }: BusinessHours): string {
  const sorted = [...new Set(days)].sort((a, b) => a - b)
  const isRow = sorted.length > 2 && sorted.every((day, index) => day === (sorted[0] ?? 0) + index)
  const shown = isRow ? [sorted.at(0), sorted.at(-1)] : sorted
  const names = shown.map(day => dayNames[day ?? 0]).join(isRow ? '–' : ', ')
  return `${names} ${formatTime(fromMinute)}–${formatTime(toMinute)} ${timeZone}`
}

function formatTime(minute: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`
}
