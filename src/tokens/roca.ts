/** Odd primes in whose multiplicative group 65537 does not generate everything. */
const telltalePrimes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]

const generator = 65537

const residues: ReadonlyMap<bigint, ReadonlySet<bigint>> = new Map(
  telltalePrimes.map(prime => [BigInt(prime), powersModulo(prime)]),
)

/**
 * Whether an RSA modulus has the fingerprint of CVE-2017-15361 (ROCA): made by a library whose primes are powers of
 * 65537 modulo a product of small primes, so that the private key can be computed. A sound modulus passes for one of
 * these with a chance of about 1 in 2^28.
 */
export function hasRocaFingerprint(modulus: bigint): boolean {
  for (const [prime, powers] of residues) {
    if (!powers.has(modulus % prime)) return false
  }
  return true
}

function powersModulo(prime: number): ReadonlySet<bigint> {
  const powers = new Set<bigint>()
  for (let power = 1; !powers.has(BigInt(power)); power = (power * generator) % prime)
    powers.add(BigInt(power))
  return powers
}
