import { request } from 'node:https'
import type { TestCertificate } from './certificate.ts'
import { encodeForm, type FormParameters, formType } from './token-service.ts'

/** What a client shows and whom it trusts. */
export interface FormTls {
  readonly ca: string
  readonly own?: TestCertificate | undefined
}

export interface FormAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly json: Readonly<Record<string, unknown>>
}

/** Posts a form on a new TLS connection. Rejects when the handshake fails. */
export function postForm(
  url: string,
  form: FormParameters,
  { ca, own }: FormTls,
  headers: Readonly<Record<string, string>> = {},
): Promise<FormAnswer> {
  const body = encodeForm(form)
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: 'POST', agent: false, ca, ...own, headers: { 'content-type': formType, ...headers } },
      response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (piece: string) => {
          text += piece
        })
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            json: text === '' ? {} : JSON.parse(text),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
