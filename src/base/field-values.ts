/**
 * Every value of a field of a header section, in order.
 *
 * @param fields name, value, name, value, …
 * @param name in lower case
 */
export function fieldValues(fields: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index]?.toLowerCase() === name) values.push(fields[index + 1] as string)
  }
  return values
}
