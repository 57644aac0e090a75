import type { Drawing, DrawnNode } from './drawing.ts'

const shapes: Readonly<Record<DrawnNode['shape'], string>> = {
  issuer: 'house',
  way: 'box',
  audience: 'ellipse',
}

/** The drawing in the language of Graphviz. */
export function graphDot({ nodes, edges }: Drawing): string {
  return [
    'digraph hopgate {',
    '  rankdir=LR;',
    ...nodes.map(({ id, label, shape }) => `  ${id} [label=${quote(label)}, shape=${shapes[shape]}];`),
    ...edges.map(
      ({ from, to, label }) => `  ${from} -> ${to}${label === '' ? '' : ` [label=${quote(label)}]`};`,
    ),
    '}',
    '',
  ].join('\n')
}

function quote(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, character => `\\${character}`).replaceAll(/[\r\n]/g, ' ')}"`
}
