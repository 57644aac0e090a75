import { fail, ok, type Result } from '../base/result.ts'
import { readTextFile } from '../base/text-file.ts'
import type { PolicyDocument } from '../policy/document.ts'
import type { ConfigProblem } from './config-problem.ts'
import { type ConfigTexts, keepTexts, type ReadText } from './config-texts.ts'
import type { Environment } from './environment.ts'
import type { HubConfig } from './hub-config.ts'
import { parseHubConfig } from './parse-hub.ts'
import { parsePolicy } from './parse-policy.ts'
import { parsePolicySuite } from './parse-policy-suite.ts'
import { parseSidecarConfig } from './parse-sidecar.ts'
import type { PolicySuite } from './policy-suite.ts'
import type { SidecarConfig } from './sidecar-config.ts'

/**
 * Reads a sidecar's configuration. Never throws for anything that the file or the environment may hold.
 *
 * @param readText reads the file and those that it names
 */
export function loadSidecarConfig(
  file: string,
  env: Environment = process.env,
  readText: ReadText = readTextFile,
): Result<SidecarConfig, readonly ConfigProblem[]> {
  return load(file, text => parseSidecarConfig(text, { file, env, readText }), readText)
}

/** A sidecar's configuration, and what it was read from. */
export interface SidecarSource {
  readonly config: SidecarConfig
  readonly texts: ConfigTexts
}

/** {@link loadSidecarConfig}, for processes that are to read the same. */
export function loadSidecarSource(file: string): Result<SidecarSource, readonly ConfigProblem[]> {
  const { read, texts } = keepTexts()
  const loaded = loadSidecarConfig(file, process.env, read)
  return loaded.ok ? ok({ config: loaded.value, texts }) : loaded
}

/** Reads a hub's configuration. Never throws for anything that the file or the environment may hold. */
export function loadHubConfig(
  file: string,
  env: Environment = process.env,
  readText: ReadText = readTextFile,
): Result<HubConfig, readonly ConfigProblem[]> {
  return load(file, text => parseHubConfig(text, { file, env, readText }), readText)
}

/** Reads a policy by itself. Never throws for anything that the file or the environment may hold. */
export function loadPolicy(
  file: string,
  env: Environment = process.env,
): Result<PolicyDocument, readonly ConfigProblem[]> {
  return load(file, text => parsePolicy(text, { file, env }))
}

/**
 * Reads the tests of a policy, with the policy and the configurations that they name.
 *
 * @param policy is tested instead of the one that they name
 */
export function loadPolicySuite(
  file: string,
  policy?: string,
  env: Environment = process.env,
): Result<PolicySuite, readonly ConfigProblem[]> {
  return load(file, text => parsePolicySuite(text, { file, env, policy }))
}

function load<T>(
  file: string,
  parse: (text: string) => Result<T, readonly ConfigProblem[]>,
  readText: ReadText = readTextFile,
): Result<T, readonly ConfigProblem[]> {
  const text = readText(file)
  if (text.ok) return parse(text.value)
  return fail([{ file, path: '', found: `a file that ${text.error}`, expected: 'a readable YAML file' }])
}
