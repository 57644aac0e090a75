import { type PlainAnswer, sendPlain } from './plain-http.ts'

/** As much of a browser as a login needs: it keeps cookies, follows redirects and submits a form. */
export interface Browser {
  /** Opens a page, following redirects. */
  open(url: URL): Promise<Page>
  /** Fills in and submits the page's form. */
  submit(page: Page, fields: Readonly<Record<string, string>>): Promise<Page>
}

/** Where the browser stopped. */
export interface Page {
  readonly url: URL
  /** Undefined when `url` begins with the address at which the browser was told to stop: it was not opened. */
  readonly answer: PlainAnswer | undefined
}

const maxRedirects = 10

/** @param stopAt the redirect URI of the client: what comes back there is read, not opened */
export function createBrowser(stopAt: string): Browser {
  const cookies = new Map<string, string>()

  const load = async (url: URL, method: string, body?: string): Promise<PlainAnswer> => {
    const headers: Record<string, string> = { accept: 'text/html' }
    if (cookies.size > 0)
      headers['cookie'] = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded'
    const answer = await sendPlain(url, { method, headers, ...(body !== undefined && { body }) })
    for (const line of answer.setCookie) keepCookie(cookies, line)
    return answer
  }

  const follow = async (start: URL, first: PlainAnswer): Promise<Page> => {
    let url = start
    let answer = first
    for (let redirects = 0; answer.headers['location'] !== undefined; redirects++) {
      if (redirects === maxRedirects)
        throw new Error(`more than ${maxRedirects} redirects from ${start.origin}`)
      url = new URL(answer.headers['location'], url)
      if (url.href.startsWith(stopAt)) return { url, answer: undefined }
      answer = await load(url, 'GET')
    }
    return { url, answer }
  }

  return {
    open: async url => follow(url, await load(url, 'GET')),
    async submit(page, fields) {
      const action = /<form[^>]* action="([^"]+)"/.exec(page.answer?.body ?? '')?.[1]
      if (action === undefined) throw new Error(`${page.url.origin}${page.url.pathname} shows no form`)
      const url = new URL(action, page.url)
      return follow(url, await load(url, 'POST', new URLSearchParams(fields).toString()))
    },
  }
}

function keepCookie(cookies: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';')
  const equals = pair.indexOf('=')
  const name = pair.slice(0, equals).trim()
  const expires = attributes.find(attribute => /^\s*expires=/i.test(attribute))?.split('=')[1]
  if (expires !== undefined && Date.parse(expires) <= Date.now()) cookies.delete(name)
  else cookies.set(name, pair.slice(equals + 1).trim())
}
