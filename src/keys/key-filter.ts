// Which keys a revocation of many is about: types only; key-sweep-store.ts turns them into SQL.

/** What a key must be to be swept: all that is given. */
export interface KeyFilter {
  ownerUserId?: string
  organizationId?: string
  kind?: 'bound' | 'standing'
  /** who vouches for it */
  issuedBy?: string
  issuedVia?: string
  /** who received its secret */
  secretTo?: string
  secretVia?: string
  /** what is written on it covers this */
  permission?: string
  createdBefore?: string
  createdAfter?: string
  /** issued by that person, or its secret received by them, and owned by somebody else */
  grantsOf?: string
  /** issued with that key, or its secret received by it */
  childrenOf?: string
}
