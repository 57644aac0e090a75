import { Secret } from '../base/secret.ts'

/**
 * Whether two sections of validated configurations say the same. Node's own comparison cannot be asked: to it any two
 * secrets are equal.
 */
export function isSameSection(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (a instanceof Secret && b instanceof Secret) return a.equals(b)
  if (a instanceof URL && b instanceof URL) return a.href === b.href
  if (a instanceof Map && b instanceof Map) return isSameSection([...a], [...b])
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => isSameSection(item, b[index]))
  }
  if (!isPlain(a) || !isPlain(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && isSameSection(a[name], b[name]))
  )
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
