import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { Secret } from '../base/secret.ts'
import { type JsonObject, parseStrictJsonObject } from '../base/strict-json.ts'

/**
 * Layout: `hgt1.` and base64url of nonce (12 bytes), ciphertext, tag (16). The prefix is authenticated with the issuer, so
 * that a ticket of another layout or of another token service does not open.
 */
const prefix = 'hgt1.'
const nonceBytes = 12
const tagBytes = 16
const shortestKey = 32

/** No ticket is longer. */
export const maxTicketBytes = 16 * 1024

/** Writes and reads tickets. Only who holds the key can do either; a ticket shows nothing but its length. */
export interface TicketSeal {
  seal(claims: Readonly<Record<string, unknown>>): string
  /** Undefined for anything that this seal did not make: cut, changed, foreign, under another key; never throws. */
  open(ticket: string): JsonObject | undefined
}

/**
 * Makes the seal of a token service: AES-256-GCM under a key that HKDF-SHA-256 derives from the configured secret, which
 * all replicas share. Another secret is another seal: whatever was sealed before does not open any more.
 *
 * @throws Error for a secret of fewer than 32 characters
 */
export function createTicketSeal(secret: Secret, issuer: string): TicketSeal {
  const text = secret.expose()
  if (text.length < shortestKey)
    throw new Error(`the key of the tickets is shorter than ${shortestKey} characters`)
  const key = Buffer.from(hkdfSync('sha256', text, '', 'hopgate ticket 1', 32))
  const boundData = Buffer.from(`${prefix}${issuer}`, 'utf8')
  return {
    seal(claims) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
      cipher.setAAD(boundData)
      const ciphertext = Buffer.concat([cipher.update(JSON.stringify(claims), 'utf8'), cipher.final()])
      return `${prefix}${Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64url')}`
    },
    open(ticket) {
      if (ticket.length > maxTicketBytes || !/^hgt1\.[\w-]+$/.test(ticket)) return undefined
      const sealed = Buffer.from(ticket.slice(prefix.length), 'base64url')
      // One spelling only: whoever counts tickets by their text counts right.
      if (sealed.toString('base64url') !== ticket.slice(prefix.length)) return undefined
      if (sealed.length <= nonceBytes + tagBytes) return undefined
      const nonce = sealed.subarray(0, nonceBytes)
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
      decipher.setAAD(boundData)
      decipher.setAuthTag(sealed.subarray(-tagBytes))
      try {
        const opened = decipher.update(sealed.subarray(nonceBytes, -tagBytes))
        return parseStrictJsonObject(Buffer.concat([opened, decipher.final()]))
      } catch {
        return undefined
      }
    },
  }
}
