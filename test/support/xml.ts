/** An element of an XML document. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  /** Child elements and runs of text, in order. */
  readonly content: readonly (XmlElement | string)[]
}

const characters = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u
const name = '[A-Za-z_][\\w.-]*'
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** Parses XML 1.0 without DTD, comments and processing instructions; throws for whatever is not well-formed. */
export function parseXml(text: string): XmlElement {
  if (!characters.test(text)) throw new Error('a character that XML cannot hold')
  const declaration = /^<\?xml version="1\.0" encoding="UTF-8"\?>\s*/.exec(text)
  if (declaration === null) throw new Error('no declaration')
  let at = declaration[0].length
  const take = (pattern: string): RegExpExecArray => {
    const found = new RegExp(pattern, 'y')
    found.lastIndex = at
    const match = found.exec(text)
    if (match === null) throw new Error(`not ${pattern} at ${at}: ${text.slice(at, at + 40)}`)
    at += match[0].length
    return match
  }
  const element = (): XmlElement => {
    const [, tag = ''] = take(`<(${name})`)
    const attributes: Record<string, string> = {}
    while (/\s/.test(text[at] ?? '')) {
      take('\\s+')
      if (text[at] === '/' || text[at] === '>') break
      const [, key = '', value = ''] = take(`(${name})="([^"<]*)"`)
      if (key in attributes) throw new Error(`attribute ${key} twice`)
      attributes[key] = unescapeText(value.replace(/[\t\n\r]/g, ' '))
    }
    if (text.startsWith('/>', at)) {
      at += 2
      return { name: tag, attributes, content: [] }
    }
    take('>')
    const content: (XmlElement | string)[] = []
    while (!text.startsWith('</', at)) {
      if (text[at] === '<') content.push(element())
      else content.push(unescapeText(take('[^<]+')[0]))
    }
    take(`</${tag}>`)
    return { name: tag, attributes, content }
  }
  const root = element()
  take('\\s*$')
  return root
}

/** Every element of a name below another, in order. */
export function elementsOf(root: XmlElement, wanted: string): readonly XmlElement[] {
  return root.content.flatMap(part =>
    typeof part === 'string' ? [] : [...(part.name === wanted ? [part] : []), ...elementsOf(part, wanted)],
  )
}

function unescapeText(text: string): string {
  if (text.includes(']]>')) throw new Error(']]> in text')
  return text.replace(/&([^;]*);?/g, (whole, reference: string) => {
    const named = entities[reference]
    if (named !== undefined && whole.endsWith(';')) return named
    const code = /^#(\d+)$/.exec(reference)?.[1]
    if (code === undefined) throw new Error(`no such entity: ${whole}`)
    return String.fromCodePoint(Number(code))
  })
}
