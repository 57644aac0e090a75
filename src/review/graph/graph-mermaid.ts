import type { Drawing, DrawnNode } from './drawing.ts'

const shapes: Readonly<Record<DrawnNode['shape'], readonly [string, string]>> = {
  issuer: ['>', ']'],
  way: ['[', ']'],
  audience: ['([', '])'],
}

/** The drawing in the language of Mermaid, which many places show as a picture. */
export function graphMermaid({ nodes, edges }: Drawing): string {
  return [
    'flowchart LR',
    ...nodes.map(({ id, label, shape }) => `  ${id}${shapes[shape][0]}${quote(label)}${shapes[shape][1]}`),
    ...edges.map(({ from, to, label }) => `  ${from} -->${label === '' ? '' : `|${quote(label)}|`} ${to}`),
    '',
  ].join('\n')
}

/** Mermaid has entities of its own instead of escapes. */
function quote(text: string): string {
  return `"${text.replaceAll(/[#"<>&;]|[^\x20-\x7e]/gu, character => `#${character.codePointAt(0)};`)}"`
}
