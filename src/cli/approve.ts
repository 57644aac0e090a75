import { parseArgs } from 'node:util'
import type { ApproveOptions } from '../assemble/approve.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { configKind } from '../config/config-kind.ts'
import { formatProblems } from '../config/config-problem.ts'
import { parseDuration } from '../config/fields.ts'
import { loadHubConfig, loadSidecarConfig } from '../config/load.ts'
import type { Command } from './command.ts'

const usage = `Usage: hopgate approve --config FILE --approver NAME --key FILE --case CASE --audience AUDIENCE
                       --scope SCOPE [--mode delegation|impersonation] --actor SUB --subject SUB
                       --issuer URL [--actor-issuer URL] [--for 15m] [--json]
       hopgate approve --withdraw --config FILE --approver NAME --case … (the same words, without --key and --scope)
`

/** Longest life of an approval. */
const mostSeconds = 24 * 3_600

/**
 * `hopgate approve`: a second person approves that this actor acts for this subject, in this case, at this audience,
 * in this way and with at most this scope. The approval is
 * signed with the person's key and kept in the Redis of the configuration until it ends. Exits 1 when nobody could use it.
 */
export const approveCommand: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write(usage)
    return 2
  }
  const place = readPlace(options.config)
  if (!place.ok) {
    output.stderr.write(place.error)
    return 1
  }
  const { approve, withdraw } = await import('../assemble/approve.ts')
  const { occasion, approver, key, scope, lifeSeconds } = options
  if (key === undefined) {
    const withdrawn = await withdraw({ ...place.value, approver, occasion })
    if (!withdrawn.ok) return explain(withdrawn.error)
    output.stdout.write(withdrawn.value ? 'withdrawn\n' : 'there was none\n')
    return 0
  }
  const approved = await approve({ ...place.value, approver, key, occasion, scope, lifeSeconds })
  if (!approved.ok) return explain(approved.error)
  const { id, expiresAt } = approved.value
  const until = new Date(expiresAt * 1000).toISOString()
  output.stdout.write(
    options.json
      ? `${JSON.stringify({ ...approved.value, expiresAt: until })}\n`
      : `approved until ${until}: ${occasion.mode} of ${occasion.subject} to ${occasion.actor} in ${occasion.caseId} at ${occasion.audience}, at most ${scope || 'no scope'} (${id})\n`,
  )
  return 0

  function explain(reason: string): number {
    output.stderr.write(`hopgate: ${reason}\n`)
    return 1
  }
}

type Place = Pick<ApproveOptions, 'policy' | 'redis'>

/** The policy and the Redis of a sidecar or a hub. The error is what to print. */
function readPlace(file: string): Result<Place, string> {
  let policy: Place['policy'] | undefined
  let redis: Place['redis'] | undefined
  if (configKind(file) === 'hub') {
    const hub = loadHubConfig(file)
    if (!hub.ok) return fail(formatProblems(hub.error))
    policy = hub.value.sts.policy
    redis = hub.value.redis
  } else {
    const sidecar = loadSidecarConfig(file)
    if (!sidecar.ok) return fail(formatProblems(sidecar.error))
    policy = sidecar.value.policy
    redis = sidecar.value.cache.redis
  }
  if (policy === undefined) return fail(`hopgate: ${file} names no policy\n`)
  if (redis === undefined) return fail(`hopgate: ${file} names no Redis, where approvals are kept\n`)
  return ok({ policy, redis })
}

function readOptions(args: string[]) {
  try {
    const text = { type: 'string' } as const
    const { values, positionals } = parseArgs({
      args,
      options: {
        config: { ...text, short: 'c' },
        approver: text,
        key: text,
        case: text,
        audience: text,
        scope: text,
        mode: text,
        actor: text,
        'actor-issuer': text,
        subject: text,
        issuer: text,
        for: text,
        withdraw: { type: 'boolean' },
        json: { type: 'boolean' },
      },
      allowPositionals: true,
    })
    const { config, approver, key, audience, actor, subject, issuer, mode = 'delegation' } = values
    const lifeSeconds = (parseDuration(values.for ?? '15m') ?? 0) / 1000
    if (positionals.length > 0 || lifeSeconds < 1 || lifeSeconds > mostSeconds) return undefined
    if ((key === undefined) !== (values.withdraw === true)) return undefined
    if (!config || !approver || !values.case || !audience || !actor || !subject || !issuer) return undefined
    if (mode !== 'delegation' && mode !== 'impersonation') return undefined
    // What is approved is said in full: only what is written as '' is an approval of no scope.
    if ((values.scope === undefined) !== (values.withdraw === true)) return undefined
    const occasion: ApproveOptions['occasion'] = {
      actor,
      actorIssuer: values['actor-issuer'] ?? issuer,
      subject,
      subjectIssuer: issuer,
      caseId: values.case,
      audience,
      mode,
    }
    return {
      config,
      approver,
      key,
      occasion,
      scope: values.scope ?? '',
      lifeSeconds: Math.floor(lifeSeconds),
      json: values.json === true,
    }
  } catch {
    return undefined
  }
}
