import { dirname } from 'node:path'
import type { Clock, EpochSeconds } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { type WatchTimes, watchContent } from '../base/watch-content.ts'
import type { StsConfig } from '../config/sidecar-config.ts'
import { loadSigningKeys, readKeyFile } from './key-file.ts'
import { scheduleKeys } from './key-schedule.ts'
import { createSigner, type ReplaceableSigner, type Signer } from './signer.ts'
import { formatSigningKeys, generateSigningKey, type SigningKeys } from './signing-keys.ts'

/** What became of the keys, for log and record: names only. */
export interface KeyChange {
  readonly at: EpochSeconds
  /** `kid` of the key that signs now. */
  readonly signs: string
  readonly published: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

export interface OpenSignerDependencies {
  readonly clock: Clock
  readonly log: Log
  /** Called when the keys have become others. */
  readonly onChange?: (change: KeyChange) => void
  readonly times?: WatchTimes
}

/** A signer with what keeps it up to date. */
export interface OpenSigner {
  readonly signer: ReplaceableSigner
  /** Stops watching the file. The signer goes on with the keys that it has. */
  close(): void
}

/** A file that cannot be used is looked at again after this time: its mode may be put right without its content. */
const retryMs = 5_000

/**
 * Opens a signer with the keys of a file, and follows the file: what `hopgate keys` does to it takes effect within a
 * second or two in every process that reads it. A file that cannot be used is reported, and the last good keys go on.
 *
 * @param source without a file there is a new key, which ends with the process
 * @throws Error for a file that cannot be used at the start, see `loadSigningKeys`
 */
export function openSigner(
  source: Pick<StsConfig, 'keys' | 'algorithm'>,
  deps: OpenSignerDependencies,
): OpenSigner {
  const { keys: file, algorithm } = source
  const { clock, log } = deps
  if (file === undefined) {
    const key = generateSigningKey(algorithm, { createdAt: Math.floor(clock.now()) })
    return { signer: createSigner([key], clock), close() {} }
  }
  let retry: NodeJS.Timeout | undefined
  const read = (): void => {
    clearTimeout(retry)
    try {
      const keys = readKeyFile(file)
      if (keys === undefined) throw new Error(`${file}: the signing keys are gone`)
      const before = signer.keys()
      if (formatSigningKeys(keys) === formatSigningKeys(before)) return
      signer.replace(keys)
      const change = describeChange(before, keys, signer, clock.now())
      const { at: _, ...names } = change
      log.info('signing keys changed', names)
      deps.onChange?.(change)
    } catch (error) {
      log.error('signing keys not usable, the last good ones go on', { error })
      retry = setTimeout(read, retryMs).unref()
    }
  }
  // Watched before it is read: no change in between is missed.
  const watcher = watchContent({ files: () => [file], folders: [dirname(file)] }, read, deps.times)
  const close = (): void => {
    clearTimeout(retry)
    watcher.close()
  }
  const signer = openFile(file, algorithm, clock, close)
  return { signer, close }
}

function openFile(
  file: string,
  algorithm: StsConfig['algorithm'],
  clock: Clock,
  giveUp: () => void,
): ReplaceableSigner {
  try {
    return createSigner(loadSigningKeys(file, algorithm, clock.now()), clock)
  } catch (cause) {
    giveUp()
    throw cause
  }
}

function describeChange(
  before: SigningKeys,
  keys: SigningKeys,
  signer: Signer,
  now: EpochSeconds,
): KeyChange {
  const kids = (all: SigningKeys): readonly string[] => all.map(({ publicJwk }) => publicJwk.kid)
  return {
    at: now,
    signs: scheduleKeys(keys, now).current.publicJwk.kid,
    published: signer.publicKeys().map(({ kid }) => kid),
    added: kids(keys).filter(kid => !kids(before).includes(kid)),
    removed: kids(before).filter(kid => !kids(keys).includes(kid)),
  }
}
