/** Freezes a value and everything that it owns. Classes of others, such as `URL`, keep their insides. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  const owned = value instanceof Map ? value.values() : Object.values(value)
  for (const part of owned) deepFreeze(part)
  return value
}
