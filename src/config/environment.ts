/** The environment that `${NAME}` is looked up in. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A scalar after its references to the environment were resolved. */
export interface Substitution {
  /** The scalar as written. */
  readonly written: string
  readonly text: string
  /** Names of the variables whose values are in {@link text}. */
  readonly variables: readonly string[]
  /** What could not be resolved, with the offset in {@link written}. */
  readonly failures: readonly { readonly offset: number; readonly found: string; readonly expected: string }[]
}

const reference = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\})?/g

/**
 * Replaces `${NAME}` and `${NAME:-default}` in one scalar; `$${` stands for `${` itself. The default is taken when the
 * variable is unset or empty. What a variable holds is text and nothing but text: it is never read as YAML.
 */
export function substitute(written: string, env: Environment): Substitution {
  const variables: string[] = []
  const failures: Substitution['failures'][number][] = []
  const text = written.replace(reference, (match, name?: string, fallback?: string, offset = 0) => {
    if (match === '$${') return '${'
    if (name === undefined) {
      failures.push({
        offset,
        found: 'a ${ that is not a reference',
        expected: `\${NAME} or \${NAME:-default}`,
      })
      return ''
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (value !== undefined && value !== '') {
      variables.push(name)
      return value
    }
    if (fallback !== undefined) return fallback
    const state = value === undefined ? 'not set' : 'empty'
    failures.push({
      offset,
      found: `\${${name}}, which is ${state}`,
      expected: `a value in the environment, or \${${name}:-default}`,
    })
    return ''
  })
  return { written, text, variables, failures }
}

/**
 * The scalar with every reference replaced by its default or, without one, by `placeholder`: what a reader of the
 * YAML gets to see, for telling literal secrets from references.
 */
export function withoutValues(written: string, placeholder: string): string {
  return written.replace(reference, (match, name?: string, fallback?: string) => {
    if (match === '$${') return '${'
    return name === undefined ? '' : (fallback ?? placeholder)
  })
}
