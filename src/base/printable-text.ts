/**
 * A text for one line of a terminal: control characters, line and paragraph separators and controls of the writing
 * direction become `\u` and four digits, so that no text can move the cursor or hide another.
 */
export function printableText(text: string): string {
  return text
    .toWellFormed()
    .replace(
      /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
      unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
}
