import { BlockList, isIP, isIPv6 } from 'node:net'

/** Tells whether a peer is one of the proxies whose forwarding fields are continued. */
export type IsTrustedProxy = (peer: string) => boolean

/** Compiles addresses and CIDR blocks. The empty list trusts nobody, which is the default. */
export function createTrustedProxies(blocks: readonly string[]): IsTrustedProxy {
  if (blocks.length === 0) return () => false
  const list = new BlockList()
  for (const block of blocks) {
    const [address = '', prefix] = block.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return peer => {
    const address = peer.startsWith('::ffff:') && peer.includes('.') ? peer.slice(7) : peer
    return isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}
