import { printableText } from '../base/printable-text.ts'
import { redactTokens } from '../base/redact-tokens.ts'
import type { Conclusion, Explanation, Fact, StageReport } from './explanation.ts'

/** The explanation for a terminal. */
export function renderExplanationText({
  file,
  service,
  method,
  url,
  stages,
  conclusion,
}: Explanation): string {
  const lines = [
    `${method} ${url} at ${service} (${file})`,
    ...stages.flatMap(renderStage),
    '',
    ...renderConclusion(conclusion),
  ]
  return `${lines.map(line => printableText(redactTokens(line))).join('\n')}\n`
}

function renderStage({ stage, outcome, facts }: StageReport): readonly string[] {
  const width = Math.max(0, ...facts.map(({ name }) => name.length))
  return ['', `${stage}: ${outcome}`, ...facts.flatMap(fact => renderFact(fact, width))]
}

function renderFact({ name, value }: Fact, width: number): readonly string[] {
  const [first = '-', ...more] = linesOf(value)
  return [`  ${name.padEnd(width)}  ${first}`, ...more.map(line => `  ${' '.repeat(width)}  ${line}`)]
}

function linesOf(value: Fact['value']): readonly string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value
  return Object.entries(value).flatMap(([name, one]) =>
    one === undefined ? [] : [`${name}: ${typeof one === 'string' ? one : JSON.stringify(one)}`],
  )
}

function renderConclusion(conclusion: Conclusion): readonly string[] {
  const doubts = conclusion.unproven.map(doubt => `  unproven: ${doubt}`)
  switch (conclusion.would) {
    case 'exchange':
      return ['The token would be exchanged.', ...doubts]
    case 'forward':
      return ['The route is public: the request would be forwarded without a token.', ...doubts]
    case 'refuse': {
      const { code, reason, status, title, challenge } = conclusion.refusal
      return [
        `The request would be refused: ${code}`,
        `  reason     ${reason}`,
        `  status     ${status} ${title}`,
        ...(challenge === undefined ? [] : [`  challenge  ${challenge}`]),
        ...doubts,
      ]
    }
  }
}
