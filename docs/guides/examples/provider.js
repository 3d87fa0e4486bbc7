// A provider of an API, whose customers are organizations on plans: opened, moved to another plan, sold keys, asked about at each call, billed by what they used, and stopped.
const DAY_MS = 86_400_000

/** What each plan is worth: permissions of your API, and limits that count over all keys of the customer together. Yours to write. */
export const PLANS = {
  free: { entitlement: ['reports:read'], limits: [{ name: 'calls', quota: 3, windowSeconds: 60 }] },
  pro: { entitlement: ['reports:*'], limits: [{ name: 'calls', quota: 100, windowSeconds: 60 }] },
}

/** `key`: of a service account that may do what it gives (docs/guides/organizations-and-plans.md names the permissions). */
export function createProvider({ url, key, plans = PLANS, fetch = globalThis.fetch }) {
  async function call(method, path, body, headers = {}) {
    const response = await fetch(`${url}/api/v1${path}`, {
      method, headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers }, ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const answer = response.status === 204 ? null : await response.json()
    if (!response.ok) throw Object.assign(new Error(answer.detail ?? answer.title), { problem: answer })
    return answer
  }

  /** The whole of a plan at once: what is taken away is gone from every key and member at that moment. */
  const planned = (plan) => ({ ...plans[plan], metadata: { plan } })

  return {
    /** `reference`: your own id of the order; the same one twice opens one customer. */
    openCustomer: ({ slug, name, ownerUserId, plan, reference }) => call('POST', '/organizations', { slug, name, ownerUserId, ...planned(plan) }, { 'idempotency-key': `customer-${reference}` }),
    changePlan: (id, plan) => call('PATCH', `/organizations/${id}`, planned(plan), { 'if-match': '*' }),
    /** The key itself is in this answer and never again. */
    sellKey: (organizationId, name, permissions) => call('POST', '/keys', { organizationId, name, permissions }),
    /** For each call that comes to your API, unless a gateway asks: whose it is, and whether it may. */
    async admit(presented, permission) {
      const { valid, code, owner, retryAfterSeconds } = await call('POST', '/keys/verify', { key: presented, permissions: [permission] })
      if (valid) return { customer: owner.id }
      return { status: code === 'rate_limited' ? 429 : code === 'forbidden' ? 403 : 401, code, ...(retryAfterSeconds ? { retryAfterSeconds } : {}) }
    },
    /** What a customer used of a day (UTC), for a bill. */
    async used(organizationId, day) {
      const from = new Date(day)
      const { total } = await call('GET', `/usage?${new URLSearchParams({ ownerId: organizationId, granularity: 'hour', from: from.toISOString(), to: new Date(from.getTime() + DAY_MS).toISOString() })}`)
      return total
    },
    /** Does not pay: nothing opens, nothing is lost. `active` brings it back. */
    setStatus: (id, status) => call('PATCH', `/organizations/${id}`, { status }, { 'if-match': '*' }),
  }
}
