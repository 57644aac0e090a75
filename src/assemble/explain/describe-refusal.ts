import type { CallerResponse } from '../../base/http-caller.ts'
import { createRefuse } from '../../hop/refuse.ts'
import { type Refusal, refusals } from '../../model/refusal.ts'
import type { ProtectionSpace } from '../../oauth/challenge.ts'
import type { ExplainedRefusal } from '../../review/explanation.ts'

/** A refusal as its one way out makes it, written to nobody. */
export function describeRefusal(refusal: Refusal, space: ProtectionSpace): ExplainedRefusal {
  let status = 0
  let fields: readonly string[] = []
  const response: Pick<CallerResponse, 'req' | 'headersSent' | 'destroyed' | 'shouldKeepAlive'> &
    Record<string, unknown> = {
    req: { method: 'GET', httpVersion: '1.1', rawHeaders: [] },
    headersSent: false,
    destroyed: false,
    shouldKeepAlive: true,
    writeHead(code: number, _phrase: string, written: string[]) {
      status = code
      fields = written
    },
    end() {},
  }
  createRefuse(space)(response as unknown as CallerResponse, refusal, undefined)
  const challengeAt = fields.indexOf('WWW-Authenticate')
  return {
    code: refusal.code,
    reason: refusal.detail,
    status,
    title: refusals[refusal.code].title,
    challenge: challengeAt < 0 ? undefined : fields[challengeAt + 1],
  }
}
