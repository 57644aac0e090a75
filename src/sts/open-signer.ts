import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { type WatchTimes, watchContent } from '../base/watch-content.ts'
import type { SigningAlgorithm } from '../config/sidecar-config.ts'
import { loadSigningKeys, readKeyFile } from './key-file.ts'
import { scheduleKeys } from './key-schedule.ts'
import { createSigner, type ReplaceableSigner, type Signer } from './signer.ts'
import { generateSigningKey, type SigningKeys } from './signing-keys.ts'

export interface SignerSource {
  /** Made on first use, and watched; undefined for a new key that ends with the process. */
  readonly file: string | undefined
  /** What a new key is for. */
  readonly algorithm: SigningAlgorithm
}

export interface OpenSignerDependencies {
  readonly clock: Clock
  readonly log: Log
  /** Called when the keys have become others. */
  readonly onChange?: (keys: SigningKeys) => void
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
 * @throws Error for a file that cannot be used at the start, see `loadSigningKeys`
 */
export function openSigner({ file, algorithm }: SignerSource, deps: OpenSignerDependencies): OpenSigner {
  const { clock, log } = deps
  if (file === undefined) {
    const key = generateSigningKey(algorithm, { createdAt: Math.floor(clock.now()) })
    return { signer: createSigner([key], clock), close() {} }
  }
  const signer = createSigner(loadSigningKeys(file, algorithm, clock.now()), clock)
  let retry: NodeJS.Timeout | undefined
  const read = (): void => {
    clearTimeout(retry)
    try {
      const keys = readKeyFile(file)
      if (keys === undefined) throw new Error(`${file}: the signing keys are gone`)
      const before = signer.keys()
      signer.replace(keys)
      log.info('signing keys changed', describeChange(before, keys, signer, clock.now()))
      deps.onChange?.(keys)
    } catch (error) {
      log.error('signing keys not usable, the last good ones go on', { error })
      retry = setTimeout(read, retryMs).unref()
    }
  }
  const watcher = watchContent({ files: () => [file], folders: [dirname(file)] }, read, deps.times)
  return {
    signer,
    close() {
      clearTimeout(retry)
      watcher.close()
    },
  }
}

function describeChange(before: SigningKeys, keys: SigningKeys, signer: Signer, now: number) {
  const kids = (all: SigningKeys): readonly string[] => all.map(({ publicJwk }) => publicJwk.kid)
  return {
    signs: scheduleKeys(keys, now).current.publicJwk.kid,
    published: signer.publicKeys().map(({ kid }) => kid),
    added: kids(keys).filter(kid => !kids(before).includes(kid)),
    removed: kids(before).filter(kid => !kids(keys).includes(kid)),
  }
}
