import { parseArgs } from 'node:util'
import { explain as explainRequest } from '../assemble/explain/explain.ts'
import { Secret } from '../base/secret.ts'
import { readTextFile } from '../base/text-file.ts'
import { formatProblems } from '../config/config-problem.ts'
import { loadSidecarConfig } from '../config/load.ts'
import { renderExplanationJson } from '../review/explanation-json.ts'
import { renderExplanationText } from '../review/explanation-text.ts'
import type { Command } from './command.ts'

const usage = `Usage: hopgate explain --config FILE --token FILE [--actor-token FILE] [--no-verify] [--json]
                      METHOD URL [-H 'Name: value']…
`

/**
 * `hopgate explain`: what a sidecar with this configuration would do with a request, stage by stage, and why. Nothing is
 * sent, but for the fetching of keys, which `--no-verify` leaves out. Exits 0 when the token would be exchanged, or the
 * request forwarded by a public route; 1 when it would be refused, or that cannot be known; 2 for wrong usage.
 */
export const explain: Command = async (args, output) => {
  const options = readOptions(args)
  if (options === undefined) {
    output.stderr.write(usage)
    return 2
  }
  const loaded = loadSidecarConfig(options.config)
  if (!loaded.ok) {
    output.stderr.write(formatProblems(loaded.error))
    return 1
  }
  const tokens: Record<string, Secret> = {}
  for (const [name, file] of Object.entries({ token: options.token, actorToken: options.actorToken })) {
    if (file === undefined) continue
    const text = readTextFile(file)
    if (!text.ok) {
      output.stderr.write(`${file}: found a file that ${text.error}; expected one token\n`)
      return 1
    }
    tokens[name] = new Secret(text.value.trim())
  }
  const { method, url, headers, verify } = options
  const config = loaded.value
  if (tokens['actorToken'] !== undefined && config.context.actorToken === undefined) {
    output.stderr.write(`${options.config}: declares no header for an actor token (context.actor_token)\n`)
    return 1
  }
  const explanation = await explainRequest(
    { file: options.config, config, verify },
    { method, url, headers, token: tokens['token'], actorToken: tokens['actorToken'] },
  )
  output.stdout.write(options.json ? renderExplanationJson(explanation) : renderExplanationText(explanation))
  const { would, unproven } = explanation.conclusion
  return would === 'refuse' || (verify && unproven.length > 0) ? 1 : 0
}

interface Options {
  readonly config: string
  readonly token: string | undefined
  readonly actorToken: string | undefined
  readonly method: string
  readonly url: URL
  readonly headers: readonly string[]
  readonly verify: boolean
  readonly json: boolean
}

function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        config: { type: 'string', short: 'c' },
        token: { type: 'string' },
        'actor-token': { type: 'string' },
        header: { type: 'string', short: 'H', multiple: true },
        'no-verify': { type: 'boolean' },
        json: { type: 'boolean' },
      },
      allowPositionals: true,
    })
    const [method = '', target = '', ...more] = positionals
    const url = new URL(target)
    const headers = (values.header ?? []).flatMap(readHeader)
    const isRequest = /^[A-Z]{1,32}$/.test(method) && /^https?:$/.test(url.protocol)
    if (values.config === undefined || more.length > 0 || !isRequest) return undefined
    return {
      config: values.config,
      token: values.token,
      actorToken: values['actor-token'],
      method,
      url,
      headers,
      verify: values['no-verify'] !== true,
      json: values.json ?? false,
    }
  } catch {
    return undefined
  }
}

/** @throws SyntaxError for what is no header field */
function readHeader(line: string): readonly string[] {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
  if (name === undefined || value === undefined) throw new SyntaxError('not a header field')
  return [name, value]
}
