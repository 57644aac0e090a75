/** 2^255 − 19, the field of Curve25519. */
const fieldPrime = (1n << 255n) - 19n
const lowBits = (1n << 255n) - 1n

/** The y coordinates of the eight points of small order (RFC 7748 §6.1 calls for their refusal). */
const smallOrder: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  fieldPrime - 1n,
  littleEndian(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')),
  littleEndian(Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
])

/**
 * Whether 32 bytes are unfit as an Ed25519 public key: a point of small order, for which `node:crypto` accepts one
 * constant signature under every message, or a y coordinate that is not reduced (RFC 8032 §5.1.3). The top bit, the
 * sign of x, does not matter.
 */
export function isUnfitEd25519Point(bytes: Buffer): boolean {
  const y = littleEndian(bytes) & lowBits
  return y >= fieldPrime || smallOrder.has(y)
}

function littleEndian(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
}
