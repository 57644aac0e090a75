import type { Secret } from '../base/secret.ts'
import type { ClientAuthentication } from './client-authentication.ts'

export interface ClientSecret {
  readonly id: string
  readonly secret: Secret
}

/** `client_secret_basic`: HTTP Basic, both halves form-encoded before they are joined (RFC 6749 §2.3.1). */
export function clientSecretBasic({ id, secret }: ClientSecret): ClientAuthentication {
  return (_form, headers) => {
    const pair = `${formEncode(id)}:${formEncode(secret.expose())}`
    headers['authorization'] = `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`
  }
}

/** `client_secret_post`: both in the form. */
export function clientSecretPost({ id, secret }: ClientSecret): ClientAuthentication {
  return form => {
    form.set('client_id', id)
    form.set('client_secret', secret.expose())
  }
}

/** The application/x-www-form-urlencoded spelling of one text. */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
