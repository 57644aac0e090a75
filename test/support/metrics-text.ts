/** Looks up the value of a sample by its name and exactly these labels; undefined when there is none. */
export type ReadSample = (name: string, labels?: Readonly<Record<string, string>>) => number | undefined

/** Reads the Prometheus text exposition format. Throws for a line that is not of it. */
export function readSamples(text: string): ReadSample {
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-z][\w:]* \S/.test(line)) continue
    const match = /^([a-z][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line)
    if (match === null) throw new Error(`not a sample: ${line}`)
    const [, name = '', labels = '', value = ''] = match
    const key = keyOf(name, readLabels(labels))
    if (samples.has(key)) throw new Error(`twice: ${line}`)
    samples.set(key, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value))
  }
  return (name, labels = {}) => samples.get(keyOf(name, labels))
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== ''; ) {
    const match = /^(\w+)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest)
    if (match === null) throw new Error(`not labels: ${rest}`)
    labels[match[1] ?? ''] = (match[2] ?? '').replace(/\\(.)/g, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    )
    rest = rest.slice(match[0].length)
  }
  return labels
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  return JSON.stringify([name, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))])
}
