/** A few words for people, in which what the policy's author wrote stands apart from our own words. */
export type Phrase = readonly (string | Quoted)[]

/** The author's own text, which a report shows as it is written. */
export interface Quoted {
  readonly quoted: string
}

export function quoted(text: string): Quoted {
  return { quoted: text }
}

/** Puts quoted texts in a row: `a, b or c`. */
export function listOf(texts: readonly string[], last: 'or' | 'and' = 'or'): Phrase {
  return texts.flatMap((text, index) => {
    if (index === 0) return [quoted(text)]
    return [index === texts.length - 1 ? ` ${last} ` : ', ', quoted(text)]
  })
}

/** One phrase of several, with a separator between them. */
export function joinPhrases(phrases: readonly Phrase[], separator: string): Phrase {
  return phrases.flatMap((phrase, index) => (index === 0 ? phrase : [separator, ...phrase]))
}

/** The phrase without any marks. */
export function plainText(phrase: Phrase): string {
  return phrase.map(part => (typeof part === 'string' ? part : part.quoted)).join('')
}
