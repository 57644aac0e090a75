/** Label values by name. */
export type Labels = Readonly<Record<string, string>>

/** Labels as a sample has them between its braces, in the order of `names`. */
export function formatLabels(names: readonly string[], labels: Labels): string {
  return names.map(name => `${name}="${escapeLabel(labels[name] ?? '')}"`).join(',')
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, character => escapes[character] ?? '')
}
