import { dirname, isAbsolute, join } from 'node:path'
import { fail, ok, type Result } from '../base/result.ts'
import { readTextFile } from '../base/text-file.ts'
import { emptyScope } from '../oauth/scope-set.ts'
import { buildStsBounds } from './build-sts.ts'
import type { ConfigProblem, DocumentPath } from './config-problem.ts'
import { quoteText } from './config-problem.ts'
import type { Environment } from './environment.ts'
import type { FileReader } from './file-reader.ts'
import { deepFreeze } from './freeze.ts'
import { nearestWord } from './nearest-word.ts'
import { parseHubConfig } from './parse-hub.ts'
import { parsePolicy } from './parse-policy.ts'
import { parseSidecarConfig } from './parse-sidecar.ts'
import type {
  AskedQuestion,
  AskedRequest,
  Claims,
  Expectation,
  GivenApproval,
  NamedPolicy,
  PolicyCase,
  PolicySuite,
} from './policy-suite.ts'
import { type PolicySuiteInput, parseOffset, policySuiteSchema } from './policy-suite-schema.ts'
import { type ConfigDocument, type ParseOptions, readDocument } from './read-document.ts'
import type { Report } from './report.ts'
import type { SidecarConfig, StsConfig } from './sidecar-config.ts'
import { sidecarStsSchema } from './sts-schema.ts'

export interface PolicySuiteOptions extends ParseOptions {
  /** Instead of the policy that the tests name; relative to the working folder. */
  readonly policy?: string | undefined
}

/** Turns the text of a policy's tests, with the files that they name, into a suite, or into everything that is wrong. */
export function parsePolicySuite(
  text: string,
  options: PolicySuiteOptions,
): Result<PolicySuite, readonly ConfigProblem[]> {
  const read = readDocument(text, policySuiteSchema, [], options)
  if (!read.ok) return read
  const { input, report } = read.value
  if (input === undefined) return fail(report.problems())
  const suite = new SuiteBuilder(input, read.value, options).build()
  const problems = report.problems()
  return problems.length > 0 ? fail(problems) : ok(deepFreeze(suite))
}

type CaseInput = PolicySuiteInput['cases'][number]
type GivenInput = NonNullable<CaseInput['given']>
type RequestInput = NonNullable<CaseInput['request']>
type TokenInput = string | Claims

/** A Wednesday at noon: whether a test passes must not depend on the day on which it runs. */
const usualNow = Date.UTC(2026, 0, 7, 12) / 1000

const usualIssuer = 'https://login.example.com'
const tokenLifeSeconds = 300

class SuiteBuilder {
  readonly #input: PolicySuiteInput
  readonly #files: FileReader
  readonly #report: Report
  readonly #document: ConfigDocument<PolicySuiteInput>
  readonly #options: PolicySuiteOptions
  readonly #env: Environment
  readonly #sidecars = new Map<string, SidecarConfig | undefined>()

  constructor(
    input: PolicySuiteInput,
    document: ConfigDocument<PolicySuiteInput>,
    options: PolicySuiteOptions,
  ) {
    this.#input = input
    this.#document = document
    this.#files = document.files
    this.#report = document.report
    this.#options = options
    this.#env = { ...(options.env ?? process.env), ...input.env }
  }

  build(): PolicySuite {
    const { server, max_ttl, cases } = this.#input
    const hub = this.#readHub()
    return {
      file: this.#options.file,
      policy: this.#readPolicy(hub),
      isForSidecars: this.#options.policy !== undefined,
      server: hub?.issuer ?? server,
      hub,
      bounds: buildStsBounds({ ...sidecarStsSchema.parse({}), max_ttl }),
      cases: cases.flatMap((one, index) => this.#readCase(one, index) ?? []),
    }
  }

  #readHub(): StsConfig | undefined {
    const { hub: name } = this.#input
    if (name === undefined) return undefined
    const text = this.#files.read(name)
    if (!text.ok) {
      this.#report.add({
        path: ['hub'],
        found: `a file that ${text.error}`,
        expected: "a hub's configuration",
      })
      return undefined
    }
    const parsed = parseHubConfig(text.value, { ...this.#options, file: this.#beside(name), env: this.#env })
    if (parsed.ok) return parsed.value.sts
    this.#report.include(parsed.error)
    return undefined
  }

  #readPolicy(hub: StsConfig | undefined): NamedPolicy | undefined {
    const { policy: instead } = this.#options
    const { policy, hub: hubFile = '' } = this.#input
    const named = instead ?? policy
    if (named === undefined && hub?.policy !== undefined) {
      return { file: this.#beside(hubFile), document: hub.policy }
    }
    if (named === undefined) {
      const isAsked = this.#input.cases.some(({ given }) => given !== undefined)
      if (isAsked)
        this.#report.add({ path: [], found: 'no policy', expected: 'policy, hub, or --policy FILE' })
      return undefined
    }
    const file = instead === undefined ? this.#beside(named) : named
    const { readText = readTextFile } = this.#options
    const text = readText(instead === undefined ? this.#files.resolve(named) : named)
    if (!text.ok) {
      this.#report.add({ path: ['policy'], found: `a file that ${text.error}`, expected: 'a policy' })
      return undefined
    }
    const parsed = parsePolicy(text.value, { ...this.#options, file })
    if (parsed.ok) return { file, document: parsed.value }
    this.#report.include(parsed.error)
    return undefined
  }

  /** How a file that is named in this one is named outside it. */
  #beside(name: string): string {
    return isAbsolute(name) ? name : join(dirname(this.#options.file), name)
  }

  #readCase({ name, given, request, expect }: CaseInput, index: number): PolicyCase | undefined {
    const path = ['cases', index]
    const { defaults } = this.#input
    const asked =
      given === undefined
        ? this.#readRequest({ ...defaults.request, ...request }, [...path, 'request'])
        : this.#readQuestion(withDefaults(given, defaults.given), [...path, 'given'])
    if (asked === undefined) return undefined
    const now = (given ?? request)?.now ?? (given === undefined ? defaults.request.now : defaults.given.now)
    return {
      name,
      line: this.#document.report.line(path),
      now: now ?? usualNow,
      asked,
      expect: buildExpectation(expect),
    }
  }

  #readQuestion(given: GivenInput, path: DocumentPath): AskedQuestion | undefined {
    const { mode = 'delegation', client, audience, scope, subject, actor, now = usualNow } = given
    const isMachine = mode === 'machine'
    const needed = { client, audience, ...(!isMachine && { subject }) }
    const missing = Object.entries(needed).filter(([, value]) => value === undefined)
    for (const [key] of missing) this.#report.add({ path, found: `no ${key}`, expected: key })
    for (const [key, value] of Object.entries({ subject, actor })) {
      if (isMachine && value !== undefined) {
        this.#report.add({
          path: [...path, key],
          found: `${key} beside mode: machine`,
          expected: 'none: a machine asks for itself',
          at: 'key',
        })
      }
    }
    if (client === undefined || audience === undefined) return undefined
    const read = (key: 'subject' | 'actor', claims: TokenInput | undefined): Claims | undefined =>
      this.#readToken(claims, [...path, key], { iss: usualIssuer, aud: client, now })
    return {
      kind: 'question',
      mode,
      client,
      subject: read('subject', subject),
      actor: read('actor', actor),
      audience,
      scope: scope ?? emptyScope,
      caseId: given.case_id,
      environment: given.environment,
      approval: buildApproval(given.approval, now),
    }
  }

  #readRequest(request: RequestInput, path: DocumentPath): AskedRequest | undefined {
    const { config: name, url, method = 'GET', headers = {}, token, actor, now = usualNow } = request
    if (name === undefined)
      this.#report.add({ path, found: 'no config', expected: "a sidecar's configuration" })
    if (url === undefined) this.#report.add({ path, found: 'no url', expected: 'a URL' })
    if (name === undefined || url === undefined) return undefined
    const config = this.#readSidecar(name, [...path, 'config'])
    if (config === undefined) return undefined
    const [first] = config.issuers
    const named = config.issuers.find(({ issuer }) => issuer === this.#input.issuer)
    const usual = { iss: first?.issuer, aud: (named ?? first)?.audience[0], now }
    if (actor !== undefined && config.context.actorToken === undefined) {
      this.#report.add({
        path: [...path, 'actor'],
        found: 'an actor, whom this sidecar does not read',
        expected: 'context.actor_token in its configuration',
        at: 'key',
      })
    }
    return {
      kind: 'request',
      file: this.#beside(name),
      config,
      method,
      url,
      headers: Object.entries(headers).flat(),
      token: this.#readToken(token, [...path, 'token'], usual),
      actor: this.#readToken(actor, [...path, 'actor'], usual),
      approval: buildApproval(request.approval, now),
    }
  }

  /** Each configuration is read once, however many requests go to it. */
  #readSidecar(name: string, path: DocumentPath): SidecarConfig | undefined {
    if (this.#sidecars.has(name)) return this.#sidecars.get(name)
    const text = this.#files.read(name)
    const parsed = text.ok
      ? parseSidecarConfig(text.value, { ...this.#options, file: this.#beside(name), env: this.#env })
      : undefined
    if (!text.ok) {
      this.#report.add({ path, found: `a file that ${text.error}`, expected: "a sidecar's configuration" })
    } else if (parsed?.ok === false) this.#report.include(parsed.error)
    const config = parsed?.ok === true ? parsed.value : undefined
    this.#sidecars.set(name, config)
    return config
  }

  /** The claims of a token, named or written down, with what it does not say filled in. */
  #readToken(
    given: TokenInput | undefined,
    path: DocumentPath,
    usual: { readonly iss?: string | undefined; readonly aud: string | undefined; readonly now: number },
  ): Claims | undefined {
    if (given === undefined) return undefined
    const { tokens, issuer } = this.#input
    const isNamed = typeof given === 'string'
    if (isNamed && !Object.hasOwn(tokens, given)) {
      const suggestion = nearestWord(given, Object.keys(tokens))
      this.#report.add({
        path,
        found: `${quoteText(given)}, a token that is not there`,
        expected: 'one of tokens',
        ...(suggestion !== undefined && { suggestion }),
      })
      return undefined
    }
    const {
      iss = issuer ?? usual.iss,
      aud = usual.aud,
      iat = '-0s',
      jti = 'given',
      ...claims
    } = isNamed ? (tokens[given] as Claims) : given
    const filled = { iss, aud, iat, jti, exp: `+${tokenLifeSeconds}s`, ...claims }
    return Object.fromEntries(
      Object.entries(filled).map(([claim, value]) => [
        claim,
        timeClaims.has(claim) ? readTime(value, usual.now) : value,
      ]),
    )
  }
}

/** A machine asks for itself, so what the defaults say of people is not about it. */
function withDefaults(given: GivenInput, defaults: GivenInput): GivenInput {
  const { subject: _subject, actor: _actor, ...others } = defaults
  const isMachine = (given.mode ?? defaults.mode) === 'machine'
  return { ...(isMachine ? others : defaults), ...given }
}

const timeClaims: ReadonlySet<string> = new Set(['exp', 'iat', 'nbf', 'auth_time'])

function readTime(value: unknown, now: number): unknown {
  const seconds = typeof value === 'string' ? parseOffset(value) : undefined
  return seconds === undefined ? value : now + seconds
}

function buildApproval(given: GivenInput['approval'], now: number): GivenApproval | undefined {
  if (given === undefined) return undefined
  const { approver, expires, actor, actor_issuer, subject, subject_issuer, case_id, audience, mode, scope } =
    given
  return {
    approver,
    expiresAt: now + expires,
    ...(actor !== undefined && { actor }),
    ...(actor_issuer !== undefined && { actorIssuer: actor_issuer }),
    ...(subject !== undefined && { subject }),
    ...(subject_issuer !== undefined && { subjectIssuer: subject_issuer }),
    ...(case_id !== undefined && { caseId: case_id }),
    ...(audience !== undefined && { audience }),
    ...(mode !== undefined && { mode }),
    ...(scope !== undefined && { scope }),
  }
}

function buildExpectation({ life, step_up: stepUp, ...others }: CaseInput['expect']): Expectation {
  const { acr, max_age: maxAge } = stepUp ?? {}
  return {
    ...(others as Expectation),
    ...(life !== undefined && { lifeSeconds: life }),
    ...(stepUp !== undefined && {
      stepUp: {
        ...(acr !== undefined && { acrValues: acr }),
        ...(maxAge !== undefined && { maxAgeSeconds: maxAge }),
      },
    }),
  }
}
