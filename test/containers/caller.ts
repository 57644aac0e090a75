import { Agent, request } from 'undici'

/** What came back from the published gate. */
export interface Answer {
  readonly status: number
  readonly body: string
  /** `WWW-Authenticate`, or empty. */
  readonly challenge: string
}

/** Somebody outside: logs in, and calls the shop. */
export interface Caller {
  login(user: string, audience: string, scope: string): Promise<string>
  get(path: string, token?: string): Promise<Answer>
  close(): Promise<void>
}

export function createCaller(options: { shopPort: number; loginPort: number; ca: string }): Caller {
  const agent = new Agent({ connect: { ca: options.ca }, headersTimeout: 15_000, bodyTimeout: 15_000 })
  return {
    async login(user, audience, scope) {
      const answer = await request(`https://localhost:${options.loginPort}/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ user, audience, scope }).toString(),
        dispatcher: agent,
      })
      const { access_token: token } = (await answer.body.json()) as { access_token?: string }
      if (token === undefined) throw new Error(`no token: ${answer.statusCode}`)
      return token
    },
    async get(path, token) {
      const answer = await request(`http://127.0.0.1:${options.shopPort}${path}`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        dispatcher: agent,
      })
      const challenge = answer.headers['www-authenticate']
      return {
        status: answer.statusCode,
        body: await answer.body.text(),
        challenge: typeof challenge === 'string' ? challenge : '',
      }
    },
    close: () => agent.destroy(),
  }
}
