import type { PolicyDocument } from '../policy/document.ts'
import { quoteText } from './config-problem.ts'
import type { HubInput } from './hub-schema.ts'
import { parsePolicy } from './parse-policy.ts'
import type { ConfigDocument, ParseOptions } from './read-document.ts'
import type { Report } from './report.ts'
import type { Salvaged } from './salvage.ts'
import type { SidecarInput } from './sidecar-schema.ts'

/** Reads the policy that a configuration names, and reports everything that is wrong with it. */
export function readPolicyFile(
  name: string | undefined,
  { files, report }: Pick<ConfigDocument<unknown>, 'files' | 'report'>,
  options: ParseOptions,
): PolicyDocument | undefined {
  if (name === undefined) return undefined
  const text = files.read(name)
  if (!text.ok) {
    report.add({ path: ['policy'], found: `a file that ${text.error}`, expected: 'a readable policy' })
    return undefined
  }
  const parsed = parsePolicy(text.value, { ...options, file: files.resolve(name) })
  if (parsed.ok) return parsed.value
  report.include(parsed.error)
  return undefined
}

/** Reports what the policy would refuse for good: a client or an audience that it does not know. */
export function checkSidecarPolicy(
  { service, exchange, routes, context }: Salvaged<SidecarInput>,
  policy: PolicyDocument | undefined,
  report: Report,
): void {
  if (policy === undefined) return
  const client = exchange?.client?.id ?? service
  if (client !== undefined && !policy.clients.has(client)) {
    const path = exchange?.client?.id === undefined ? ['service'] : ['exchange', 'client', 'id']
    report.add({
      path,
      found: `${quoteText(client)}, which the policy does not know`,
      expected: 'one of its clients',
    })
  }
  const domain = context?.trust_domain
  const isAsked = routes?.some(route => route?.identity === 'dual') === true
  if (isAsked && domain !== undefined && !policy.audiences.has(domain)) {
    report.add({
      path: ['context', 'trust_domain'],
      found: `${quoteText(domain)}, which the policy does not know`,
      expected: 'one of its audiences',
    })
  }
  for (const [index, route] of (routes ?? []).entries()) {
    if (route?.audience === undefined || policy.audiences.has(route.audience)) continue
    report.add({
      path: ['routes', index, 'audience'],
      found: `${quoteText(route.audience)}, which the policy does not know`,
      expected: 'one of its audiences',
    })
  }
}

/** Reports clients that the policy does not know, and clients without audiences where there is no policy. */
export function checkHubPolicy(
  sts: Pick<HubInput['sts'], 'clients'> | undefined,
  hasPolicy: boolean,
  policy: PolicyDocument | undefined,
  report: Report,
): void {
  for (const [index, client] of (sts?.clients ?? []).entries()) {
    const path = ['sts', 'clients', index]
    if (!hasPolicy && client.audiences === undefined) {
      report.add({ path, found: 'no audiences, and no policy', expected: 'one of them' })
    }
    if (policy !== undefined && !policy.clients.has(client.id)) {
      const found = `${quoteText(client.id)}, which the policy does not know`
      report.add({ path: [...path, 'id'], found, expected: 'one of its clients' })
    }
  }
}
