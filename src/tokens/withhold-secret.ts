const telling = 12

/**
 * A text for the log, unless it quotes a secret: what others answer may hold what they were sent, and a token that is no
 * JWT looks like any other word.
 *
 * @param secrets tokens, passwords; undefined ones are none
 */
export function withholdSecrets(text: string, secrets: readonly (string | undefined)[]): string {
  return secrets.some(secret => secret !== undefined && quotesSecret(text, secret))
    ? '[withheld: it quotes a secret]'
    : text
}

/** Whether a text holds a secret or, as it may have been cut, twelve characters of one in a row. */
export function quotesSecret(text: string, secret: string): boolean {
  if (secret === '') return false
  if (secret.length <= telling) return text.includes(secret)
  for (let start = 0; start + telling <= text.length; start++) {
    if (secret.includes(text.slice(start, start + telling))) return true
  }
  return false
}
