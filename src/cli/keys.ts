import { parseArgs } from 'node:util'
import { formatTable } from '../assemble/demo/text-table.ts'
import {
  findManagedKeys,
  type ListedKey,
  listKeys,
  type ManagedKeys,
  retireFromKeyFile,
  rotateKeyFile,
} from '../assemble/manage-keys.ts'
import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { parseDuration } from '../config/fields.ts'
import type { Command } from './command.ts'

const usage = `Usage:
  hopgate keys list   (--config FILE | --file KEYS) [--json]
  hopgate keys rotate (--config FILE | --file KEYS) [--algorithm ALG] [--max-ttl 5m] [--spread 2m] [--now]
  hopgate keys retire (--config FILE | --file KEYS) [--compromised] KID
`

/**
 * `hopgate keys list|rotate|retire`: the signing keys of a token service, in the file that `sts.keys` of a configuration
 * names, or that is named itself. Running services follow the file. Private keys are never shown.
 *
 * Exits 1 for what is refused: the file is as it was then.
 */
export const keys: Command = async ([action = '', ...args], output) => {
  const options = readOptions(action, args)
  if (options === undefined) {
    output.stderr.write(usage)
    return 2
  }
  const done = perform(options, Date.now() / 1000)
  if (!done.ok) output.stderr.write(`hopgate: ${done.error}\n`)
  else output.stdout.write(done.value)
  return done.ok ? 0 : 1
}

interface Options {
  readonly action: 'list' | 'rotate' | 'retire'
  readonly keyId: string | undefined
  readonly config: string | undefined
  readonly file: string | undefined
  readonly algorithm: string | undefined
  readonly maxTtlSeconds: number | undefined
  readonly spreadSeconds: number | undefined
  readonly now: boolean
  readonly compromised: boolean
  readonly json: boolean
}

function perform(options: Options, now: EpochSeconds): Result<string, string> {
  try {
    const found = findManagedKeys(options)
    if (!found.ok) return found
    if (options.action === 'list') return list(found.value, now, options.json)
    return options.keyId === undefined
      ? rotate(found.value, now, options.now)
      : retire(found.value, now, options.keyId, options.compromised)
  } catch (cause) {
    return fail(cause instanceof Error ? cause.message : 'the keys cannot be changed')
  }
}

function list(managed: ManagedKeys, now: EpochSeconds, asJson: boolean): Result<string, string> {
  const listed = listKeys(managed, now)
  if (!listed.ok) return listed
  if (!asJson) return ok(formatKeys(listed.value))
  const lines = listed.value.map(({ kid, alg, state, ...times }) => ({
    kid,
    alg,
    state,
    created: jsonTime(times.createdAt),
    signs_from: jsonTime(times.signsFrom),
    published_until: jsonTime(times.publishedUntil),
  }))
  return ok(`${JSON.stringify(lines, undefined, 2)}\n`)
}

function rotate(managed: ManagedKeys, now: EpochSeconds, atOnce: boolean): Result<string, string> {
  const rotated = rotateKeyFile(managed, now, atOnce)
  if (!rotated.ok) return rotated
  const { keys: all, signer } = rotated.value
  if (signer === undefined) return fail('the new key is not there')
  const told = atOnce
    ? [
        `${signer.kid} (${signer.alg}) signs from now on.`,
        'What this breaks: a verifier whose key set is from before this key was published refuses its tokens until it',
        'fetches the set again, which may take 5 minutes; and a replica does so until it has the file.',
      ]
    : [
        `${signer.kid} (${signer.alg}) is published, and signs from ${time(signer.signsFrom)} on.`,
        `By then every verifier has it, if every replica has the file within ${managed.spreadSeconds} seconds.`,
      ]
  return ok(`${told.join('\n')}\n\n${formatKeys(all)}`)
}

function retire(
  managed: ManagedKeys,
  now: EpochSeconds,
  keyId: string,
  compromised: boolean,
): Result<string, string> {
  const retired = retireFromKeyFile(managed, now, keyId, compromised)
  if (!retired.ok) return retired
  const { keys: left, signer } = retired.value
  const told = [
    ...(compromised
      ? [
          `${keyId} is gone: the token service refuses what it signed, as soon as it has the file.`,
          'Other verifiers refuse it when they fetch the key set again: within 5 minutes, if they heed its max-age.',
        ]
      : [`${keyId} is gone.`]),
    ...(signer === undefined
      ? []
      : [
          `${signer.kid} (${signer.alg}) signs from now on. Verifiers whose key set is from before it was published`,
          'refuse its tokens until they fetch the set again.',
        ]),
  ]
  return ok(`${told.join('\n')}\n\n${formatKeys(left)}`)
}

function formatKeys(listed: readonly ListedKey[]): string {
  const head = ['KID', 'ALG', 'STATE', 'CREATED', 'SIGNS FROM', 'PUBLISHED UNTIL']
  const rows = listed.map(({ kid, alg, state, createdAt, signsFrom, publishedUntil }) => [
    kid,
    alg,
    state,
    time(createdAt),
    time(signsFrom),
    time(publishedUntil),
  ])
  return `${formatTable([head, ...rows]).join('\n')}\n`
}

function time(at: EpochSeconds | undefined): string {
  return at === undefined ? '-' : new Date(at * 1000).toISOString().replace('.000Z', 'Z')
}

function jsonTime(at: EpochSeconds | undefined): string | null {
  return at === undefined ? null : time(at)
}

const actions = ['list', 'rotate', 'retire'] as const

function readOptions(name: string, args: string[]): Options | undefined {
  const action = actions.find(one => one === name)
  if (action === undefined) return undefined
  // One key in 64 has an identifier that begins with a dash.
  const keyId = action === 'retire' ? args.find(arg => /^[\w-]{43}$/.test(arg)) : undefined
  if ((action === 'retire') !== (keyId !== undefined)) return undefined
  try {
    const { values } = parseArgs({
      args: args.filter(arg => arg !== keyId),
      options: {
        config: { type: 'string', short: 'c' },
        file: { type: 'string' },
        ...(action === 'list' && { json: { type: 'boolean' } }),
        ...(action !== 'list' && {
          algorithm: { type: 'string' },
          'max-ttl': { type: 'string' },
          spread: { type: 'string' },
        }),
        ...(action === 'rotate' && { now: { type: 'boolean' } }),
        ...(action === 'retire' && { compromised: { type: 'boolean' } }),
      },
    })
    const { config, file, algorithm } = values as Record<string, string | undefined>
    if (config === undefined && file === undefined) return undefined
    const given = values as Record<string, string | boolean | undefined>
    return {
      action,
      keyId,
      config,
      file,
      algorithm,
      maxTtlSeconds: readSeconds(given['max-ttl']),
      spreadSeconds: readSeconds(given['spread']),
      now: given['now'] === true,
      compromised: given['compromised'] === true,
      json: given['json'] === true,
    }
  } catch {
    return undefined
  }
}

/** @throws Error for what is not a duration */
function readSeconds(text: string | boolean | undefined): number | undefined {
  if (typeof text !== 'string') return undefined
  const ms = parseDuration(text)
  if (ms === undefined) throw new Error('not a duration')
  return Math.ceil(ms / 1000)
}
