/**
 * Whether an `aud` names one audience and no other (RFC 10070 §4): what is good elsewhere too could have been taken there.
 * A list with that one member is the same.
 */
export function isSoleAudience(aud: unknown, audience: string): boolean {
  return (Array.isArray(aud) && aud.length === 1 ? aud[0] : aud) === audience
}
