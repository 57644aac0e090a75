import type { HttpClient } from '../base/http-client.ts'
import type { Log } from '../base/log.ts'
import type { StsClient, StsConfig } from '../config/sidecar-config.ts'
import { grantType } from '../oauth/grant-type.ts'
import type { ApprovalStore } from '../policy/approval.ts'
import { createPolicy } from '../policy/policy.ts'
import { createTransactionTokenVerifier } from '../tokens/transaction-token.ts'
import type { JwtVerifier } from '../tokens/verify-jwt.ts'
import { createAssertionVerifier } from './assertion-verifier.ts'
import type { Grant } from './grant.ts'
import { createClientCredentialsGrant } from './grants/client-credentials.ts'
import { createJwtBearerGrant } from './grants/jwt-bearer.ts'
import { createTicketGrant } from './grants/ticket.ts'
import { createTicketRedemptionGrant } from './grants/ticket-redemption.ts'
import { createTokenExchangeGrant } from './grants/token-exchange.ts'
import { createTransactionTokenGrant } from './grants/transaction-token.ts'
import type { ReplayStore } from './replay-store.ts'
import type { RevocationStore } from './revocation-store.ts'
import type { Signer } from './signer.ts'
import { SignerKeys } from './signer-keys.ts'
import { ownIssuerRules, tokenBytes } from './subject-verifier.ts'
import { createTicketSeal } from './ticket-seal.ts'

export interface GrantDependencies {
  readonly client: HttpClient
  readonly log: Log
  /** Verifies subject tokens. Not closed here. */
  readonly subjects: JwtVerifier
  /** Signs what is issued. */
  readonly signer: Signer
  /** Remembers what is good once; shared by all replicas. */
  readonly replay: ReplayStore
  readonly approvals?: ApprovalStore | undefined
  /** Remembers what was revoked; shared by all replicas. */
  readonly revocations: RevocationStore
}

export interface Grants {
  readonly all: readonly Grant[]
  /** Fetches what verifying needs. Never rejects. */
  warm(): Promise<void>
  close(): void
}

/** The grants that some client may use; what nobody may use is not there, and not in the metadata either. */
export function createGrants(config: StsConfig, deps: GrantDependencies): Grants {
  const { issuer, clients, maxTtlSeconds, environment, transactionDomain, tickets } = config
  const { subjects, replay, revocations, approvals } = deps
  const policy = config.policy && createPolicy(config.policy, issuer)
  const authority = { policy, approvals, environment }
  const common = { ...authority, issuer, clients, maxTtlSeconds, budget: config, replay, revocations }
  const all = [createTokenExchangeGrant({ ...common, verifier: subjects })]
  if (policy !== undefined || clients.some(client => has(client, grantType.clientCredentials))) {
    all.push(createClientCredentialsGrant(common))
  }
  if (transactionDomain !== undefined) {
    const verifyTransaction = createTransactionTokenVerifier({
      ...ownIssuerRules(config),
      keys: new SignerKeys(deps.signer),
      trustDomain: transactionDomain,
      maxBytes: tokenBytes,
    })
    all.push(
      createTransactionTokenGrant({
        ...common,
        trustDomain: transactionDomain,
        verifier: subjects,
        verifyTransaction,
      }),
    )
  }
  if (tickets !== undefined) {
    const seal = createTicketSeal(tickets.key, issuer)
    const { ttlSeconds } = tickets
    all.push(createTicketGrant({ ...common, seal, verifier: subjects, maxTtlSeconds: ttlSeconds }))
    all.push(createTicketRedemptionGrant({ ...common, seal }))
  }
  let assertions: JwtVerifier | undefined
  if (clients.some(client => has(client, grantType.jwtBearer))) {
    assertions = createAssertionVerifier(config, deps)
    all.push(createJwtBearerGrant({ ...common, verifier: assertions }))
  }
  return {
    all,
    warm: async () => assertions?.warm(),
    close: () => assertions?.close(),
  }
}

function has({ grants = [] }: StsClient, name: string): boolean {
  return grants.includes(name)
}
