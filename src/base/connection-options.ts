/** The options of a `Connection` field (RFC 9110 §7.6.1), in lower case: each may name a field that ends at this hop. */
export function connectionOptions(value: string): string[] {
  return value.split(',').map(option => option.trim().toLowerCase())
}

/**
 * Removes fields by name from a header section.
 *
 * @param fields name, value, name, value, …; changed in place
 * @param names in lower case
 */
export function removeFields(fields: string[], names: ReadonlySet<string>): void {
  let kept = 0
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string
    if (names.has(name.toLowerCase())) continue
    fields[kept] = name
    fields[kept + 1] = fields[index + 1] as string
    kept += 2
  }
  fields.length = kept
}
