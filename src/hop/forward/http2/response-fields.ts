/**
 * The header section of a response without its pseudo-header fields, in order and with every repetition.
 *
 * @param raw name, value, name, value, …, as Node's HTTP/2 read them; it has checked their characters
 */
export function responseFields(raw: readonly string[]): readonly string[] {
  const first = raw.findIndex((name, index) => index % 2 === 0 && !name.startsWith(':'))
  return first === -1 ? [] : raw.slice(first)
}
