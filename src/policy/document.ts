import type { EpochSeconds } from '../base/clock.ts'
import type { SubjectKind } from '../model/subject-kind.ts'
import type { ExchangeMode } from '../oauth/exchange-mode.ts'
import type { ScopeSet } from '../oauth/scope-set.ts'

/**
 * Who may exchange what, for whom, into which audience: one document for the token service and every sidecar. Validated
 * and frozen: every client, audience and scope that a rule names is there.
 */
export interface PolicyDocument {
  /** Hex SHA-256 over everything that decides; the same however the file is written. */
  readonly digest: string
  /** Clients of the token service, by client id. */
  readonly clients: ReadonlyMap<string, PolicyClient>
  readonly audiences: ReadonlyMap<string, PolicyAudience>
  /** The first rule that permits decides. */
  readonly rules: readonly PolicyRule[]
  readonly claims: ClaimNames
  /** Who may approve (`require.approval`), by name. */
  readonly approvers: ReadonlyMap<string, Approver>
}

/** A workload or application, as rules speak of it. How it authenticates is not the policy's business. */
export interface PolicyClient {
  readonly id: string
  /** A word of the policy's author, such as `service`, `partner` or `worker`. */
  readonly kind: string
  /** For `when`, as `client.<name>`. */
  readonly attributes: Readonly<Record<string, unknown>>
}

export interface PolicyAudience {
  readonly id: string
  /** Every scope that there is here. */
  readonly scope: ScopeSet
  /** The clients that stand in front of this audience: `into: own` is theirs. */
  readonly servedBy: readonly string[]
}

/** Which claims say what the rules speak of. */
export interface ClaimNames {
  /** One text: the tenant that a subject or an actor belongs to. */
  readonly tenant: string
  /** A list of texts. */
  readonly roles: string
}

/** A person who may approve, and the public keys that prove it. */
export interface Approver {
  readonly name: string
  /** Their `sub`, whoever issues it, by which nobody approves what they do themselves; undefined: it is the name. */
  readonly subject: string | undefined
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] }
}

/** One permission. Everything that is there must hold; what is absent does not matter. */
export interface PolicyRule {
  readonly id: string
  readonly mode: ExchangeMode
  readonly who: WhoRule
  readonly for: SubjectRule
  readonly into: readonly string[] | 'own'
  /** What the issued token may hold at most. Undefined: every scope of the audience. */
  readonly scope: ScopeSet | undefined
  /** A CEL condition over `subject`, `actor`, `client`, `token`, `context`. */
  readonly when: string | undefined
  /** Longest life of the issued token. */
  readonly ttlSeconds: number | undefined
  /** The rule is for tickets of these purposes, on this side, and for nothing else; absent: for no ticket. */
  readonly ticket?: TicketRule
  readonly require: Requirements
}

/** Who asks, and who acts. */
export interface WhoRule {
  /** Client ids. */
  readonly clients: readonly string[] | undefined
  /** `kind` of the client. */
  readonly kinds: readonly string[] | undefined
  /**
   * The current actor: the person whose token came along, else the outermost `act` of the subject token. Undefined: nobody,
   * or a client of this document; a person who acts for another needs a rule that says so.
   */
  readonly actor: ActorRule | 'anyone' | undefined
}

export interface ActorRule {
  /** `sub` values; a last `*` stands for any rest. */
  readonly subjects: readonly string[] | undefined
  readonly issuers: readonly string[] | undefined
  /** One of these roles. */
  readonly roles: readonly string[] | undefined
  /** `as-subject`: the tenant of the subject, which both must have. */
  readonly tenant: readonly string[] | 'as-subject' | undefined
}

export interface SubjectRule {
  readonly kinds: readonly SubjectKind[] | undefined
  /** `sub` values; a last `*` stands for any rest. */
  readonly subjects: readonly string[] | undefined
  readonly issuers: readonly string[] | undefined
  readonly tenants: readonly string[] | undefined
  /** Claims that must have one of these values; a claim that is a list must hold one of them. */
  readonly attributes: ReadonlyMap<string, readonly (string | number | boolean)[]>
}

/** Tickets for queues: a service has one issued, a worker redeems it. */
export interface TicketRule {
  readonly step: 'issue' | 'redeem'
  readonly purposes: readonly string[]
}

/** Conditions on the occasion. */
export interface Requirements {
  /** A regular expression that the whole case id must match; undefined asks for none. */
  readonly caseId: string | undefined
  /** One of these authentication context classes (RFC 9470). */
  readonly acr: readonly string[] | undefined
  /** Seconds since the last login at most. */
  readonly maxAgeSeconds: number | undefined
  /** Names of approvers of whom one must have approved. */
  readonly approval: readonly string[] | undefined
  readonly environments: readonly string[] | undefined
  readonly businessHours: BusinessHours | undefined
}

/** A part of the week, in local time. */
export interface BusinessHours {
  /** 0 is Sunday. */
  readonly days: readonly number[]
  /** Minutes since midnight, the first that counts. */
  readonly fromMinute: number
  /** Minutes since midnight, the first that no longer counts. */
  readonly toMinute: number
  /** IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string
}

/** What a second person has approved, proven by that person's signature. */
export interface Approval {
  readonly id: string
  readonly approver: string
  /** `sub` of the approver, where it is not the name. */
  readonly approverSubject?: string | undefined
  /** Who may act: `sub` and issuer of the person, or client id and the token service. */
  readonly actor: string
  readonly actorIssuer: string
  readonly subject: string
  readonly subjectIssuer: string
  readonly caseId: string
  readonly audience: string
  /** Whether the actor is named in what is issued. */
  readonly mode: ExchangeMode
  /** What may be asked for at most. */
  readonly scope: ScopeSet
  readonly expiresAt: EpochSeconds
}
