/**
 * An expected outcome that may be a refusal. Exceptions are for bugs and broken I/O; everything a caller must be
 * able to handle travels as a value, so that the compiler asks for both branches.
 */
export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E }

/** A value that is there already, or will be. The hot path stays synchronous: await only what is a promise. */
export type MaybePromise<T> = T | Promise<T>

/** Wraps a success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** Wraps a failure. */
export function fail<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error }
}
