import type { EpochSeconds } from '../base/clock.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { configKind } from '../config/config-kind.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadHubConfig, loadSidecarConfig } from '../config/load.ts'
import type { SigningAlgorithm, StsConfig } from '../config/sidecar-config.ts'
import { changeKeyFile, readKeyFile } from '../sts/key-file.ts'
import {
  defaultSpreadSeconds,
  type RotationTerms,
  retireCompromisedKey,
  retireKey,
  rotateKeys,
  rotateKeysNow,
} from '../sts/key-rotation.ts'
import { type KeyState, scheduleKeys, stateOf } from '../sts/key-schedule.ts'
import { isSigningAlgorithm, type SigningKeys } from '../sts/signing-keys.ts'

/** Which keys are managed, and what the times of a rotation follow from. */
export interface ManagedKeys {
  readonly file: string
  /** undefined: the one of the key that signs. */
  readonly algorithm: SigningAlgorithm | undefined
  readonly maxTtlSeconds: number
  readonly spreadSeconds: number
}

/** One key as people see it. Nothing of it is secret. */
export interface ListedKey {
  readonly kid: string
  readonly alg: SigningAlgorithm
  readonly state: KeyState
  readonly createdAt: EpochSeconds | undefined
  readonly signsFrom: EpochSeconds | undefined
  readonly publishedUntil: EpochSeconds | undefined
}

/** What a command has made of the keys. */
export interface ChangedKeys {
  readonly keys: readonly ListedKey[]
  /** The key that signs next, or from now on; undefined when that has not changed. */
  readonly signer: ListedKey | undefined
}

/** How the keys are named on a command line. */
export interface KeyOptions {
  /** The configuration of a hub or of a sidecar that has the token service inside. */
  readonly config?: string | undefined
  /** The key file itself. */
  readonly file?: string | undefined
  readonly algorithm?: string | undefined
  readonly maxTtlSeconds?: number | undefined
  readonly spreadSeconds?: number | undefined
}

/** The most that a configuration may allow: who knows nothing of the service must expect this. */
const longestTtlSeconds = 86_400

/** Finds the keys that are meant. What is given beside a configuration is more than what the configuration says. */
export function findManagedKeys(options: KeyOptions): Result<ManagedKeys, string> {
  const { algorithm, spreadSeconds = defaultSpreadSeconds } = options
  if (algorithm !== undefined && !isSigningAlgorithm(algorithm)) {
    return fail(`${JSON.stringify(algorithm)} is not one of ES256, EdDSA, RS256 and PS256`)
  }
  const sts = options.config === undefined ? ok(undefined) : readSts(options.config)
  if (!sts.ok) return sts
  const file = options.file ?? sts.value?.keys
  if (file === undefined) {
    return fail(
      `${options.config}: sts.keys names no file: the keys live in memory, and another start is a rotation`,
    )
  }
  return ok({
    file,
    algorithm: algorithm ?? sts.value?.algorithm,
    maxTtlSeconds: options.maxTtlSeconds ?? sts.value?.maxTtlSeconds ?? longestTtlSeconds,
    spreadSeconds,
  })
}

/** Lists the keys of a file. @throws Error, without any key material, for a file that cannot be used */
export function listKeys({ file }: ManagedKeys, now: EpochSeconds): Result<readonly ListedKey[], string> {
  const keys = readKeyFile(file)
  if (keys === undefined) return fail(`${file}: there is no such file; the service makes it when it starts`)
  return ok(describe(keys, now))
}

/**
 * Adds a key that signs when every verifier knows it; with `atOnce`, one that signs now.
 *
 * @throws Error, without any key material, for a file that cannot be used
 */
export function rotateKeyFile(
  managed: ManagedKeys,
  now: EpochSeconds,
  atOnce: boolean,
): Result<ChangedKeys, string> {
  const rotate = atOnce
    ? (keys: SigningKeys, terms: RotationTerms) => ok(rotateKeysNow(keys, terms))
    : rotateKeys
  const changed = changeKeyFile(managed.file, keys => rotate(keys, termsFor(managed, keys, now)))
  return changed.ok ? ok(report(changed.value.keys, now, changed.value.signer.publicJwk.kid)) : changed
}

/**
 * Removes a key: one that nobody needs, or with `isCompromised` any.
 *
 * @throws Error, without any key material, for a file that cannot be used
 */
export function retireFromKeyFile(
  managed: ManagedKeys,
  now: EpochSeconds,
  keyId: string,
  isCompromised: boolean,
): Result<ChangedKeys, string> {
  let signerBefore: string | undefined
  const changed = changeKeyFile<{ readonly keys: SigningKeys }>(managed.file, keys => {
    signerBefore = scheduleKeys(keys, now).current.publicJwk.kid
    const terms = termsFor(managed, keys, now)
    return isCompromised ? retireCompromisedKey(keys, keyId, terms) : retireKey(keys, keyId, terms)
  })
  if (!changed.ok) return changed
  const { keys } = changed.value
  const signer = scheduleKeys(keys, now).current.publicJwk.kid
  return ok(report(keys, now, signer === signerBefore ? undefined : signer))
}

function readSts(config: string): Result<StsConfig, string> {
  const loaded = configKind(config) === 'hub' ? loadHubConfig(config) : loadSidecarConfig(config)
  if (!loaded.ok) return fail(formatProblems(loaded.error).trim())
  const { sts } = loaded.value
  return sts === undefined ? fail(`${config}: there is no token service inside this sidecar`) : ok(sts)
}

function termsFor(managed: ManagedKeys, keys: SigningKeys, now: EpochSeconds): RotationTerms {
  const { algorithm = scheduleKeys(keys, now).current.publicJwk.alg, maxTtlSeconds, spreadSeconds } = managed
  return { now, algorithm, maxTtlSeconds, spreadSeconds }
}

function report(keys: SigningKeys, now: EpochSeconds, signer: string | undefined): ChangedKeys {
  const listed = describe(keys, now)
  return { keys: listed, signer: listed.find(({ kid }) => kid === signer) }
}

function describe(keys: SigningKeys, now: EpochSeconds): readonly ListedKey[] {
  return keys.map(key => {
    const { publicJwk, createdAt, signsFrom, publishedUntil } = key
    const { kid, alg } = publicJwk
    return { kid, alg, state: stateOf(key, keys, now), createdAt, signsFrom, publishedUntil }
  })
}
