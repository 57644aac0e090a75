import { isCostlyPattern } from '../base/pattern-cost.ts'

const loops: ReadonlySet<unknown> = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

/**
 * What in a CEL expression could take very long for a hostile token or path, worded to follow the expression's name; undefined
 * when nothing could. Everybody waits while one expression is asked.
 *
 * @param ast as the library parses it: `{ op, args }`, calls as `rcall` with name, receiver and arguments
 */
export function findCost(ast: unknown, isInLoop = false): string | undefined {
  if (Array.isArray(ast)) return findFirst(ast, isInLoop)
  if (typeof ast !== 'object' || ast === null || !('op' in ast) || !('args' in ast)) return undefined
  const { op, args } = ast
  if (op !== 'rcall' || !Array.isArray(args)) return findCost(args, isInLoop)
  const [name, receiver, given] = args as readonly unknown[]
  if (name === 'matches') {
    const pattern = Array.isArray(given) ? literalText(given[0]) : undefined
    if (pattern === undefined) return 'matches a pattern that is not written in it'
    if (isCostlyPattern(pattern)) return 'matches a pattern that can take exponential time'
  }
  // A list that is written in the expression is as long as its author wants.
  const isLoop = loops.has(name) && !hasOperator(receiver, 'list')
  if (isLoop && isInLoop) return 'goes through a list for each member of a list'
  return findCost(receiver, isInLoop) ?? findCost(given, isInLoop || isLoop)
}

function findFirst(nodes: readonly unknown[], isInLoop: boolean): string | undefined {
  for (const node of nodes) {
    const cost = findCost(node, isInLoop)
    if (cost !== undefined) return cost
  }
  return undefined
}

function literalText(node: unknown): string | undefined {
  return hasOperator(node, 'value') && typeof node.args === 'string' ? node.args : undefined
}

function hasOperator(node: unknown, op: string): node is { readonly op: string; readonly args: unknown } {
  return typeof node === 'object' && node !== null && 'op' in node && node.op === op && 'args' in node
}
