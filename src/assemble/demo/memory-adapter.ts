import type { Adapter, AdapterPayload } from 'oidc-provider'

/** Keeps the login provider's sessions, grants and codes in memory. One store a provider, gone with it. */
export function createMemoryAdapter(): (model: string) => Adapter {
  const store = new Map<string, { payload: AdapterPayload; expiresAt: number }>()
  return model => {
    const keyOf = (id: string) => `${model}:${id}`
    const find = (matches: (payload: AdapterPayload, key: string) => boolean): AdapterPayload | undefined => {
      for (const [key, { payload, expiresAt }] of store) {
        if (key.startsWith(`${model}:`) && expiresAt > Date.now() && matches(payload, key)) return payload
      }
      return undefined
    }
    return {
      async upsert(id, payload, expiresIn) {
        const expiresAt = expiresIn === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresIn * 1000
        store.set(keyOf(id), { payload, expiresAt })
      },
      find: async id => find((_, key) => key === keyOf(id)),
      findByUid: async uid => find(payload => payload.uid === uid),
      findByUserCode: async userCode => find(payload => payload.userCode === userCode),
      async consume(id) {
        const entry = store.get(keyOf(id))
        if (entry !== undefined) entry.payload.consumed = Math.floor(Date.now() / 1000)
      },
      async destroy(id) {
        store.delete(keyOf(id))
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of store) if (payload.grantId === grantId) store.delete(key)
      },
    }
  }
}
