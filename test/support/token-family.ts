import { basic, billingSecret, ordersSecret, type TestTokenService } from './token-service.ts'

export const asOrders = basic('orders', ordersSecret)
export const asBilling = basic('billing', billingSecret)
export const asIdle = basic('idle', 'idle-secret')

/** Tokens of which each was exchanged from the one before; the first from a token of the outside issuer. */
export interface TokenFamily {
  /** Issued to `orders` for `billing`. */
  readonly parent: string
  /** Issued to `billing` for `orders`. */
  readonly child: string
  /** Issued to `orders` for `billing`. */
  readonly grandchild: string
}

/** Has three tokens issued in a row. */
export async function issueFamily(sts: TestTokenService): Promise<TokenFamily> {
  const parent = await issue(sts, undefined, 'billing', asOrders)
  const child = await issue(sts, parent, 'orders', asBilling)
  const grandchild = await issue(sts, child, 'billing', asOrders)
  return { parent, child, grandchild }
}

async function issue(
  sts: TestTokenService,
  from: string | undefined,
  audience: string,
  authorization: string,
): Promise<string> {
  const subject = from === undefined ? {} : { subject_token: from }
  const { json, body } = await sts.exchange({ ...subject, audience, scope: 'orders:read' }, authorization)
  if (typeof json['access_token'] !== 'string') throw new Error(`not issued: ${body}`)
  return json['access_token']
}
