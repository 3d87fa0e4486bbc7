// Who is signed in themselves: factors are proven and changed by nobody else. Pure.
import type { Caller, Principal } from '../kernel/principal.js'
import { problem } from '../kernel/errors.js'

/** Whoever acts for somebody cannot prove to be them, and what stands behind no session has none to prove it in. Throws access.denied. */
export function inPerson({ principal }: Caller): Principal & { sessionId: string } {
  if (principal?.sessionId === undefined || principal.act !== undefined) throw problem('access.denied', { detail: 'Only for who is signed in themselves' })
  return { ...principal, sessionId: principal.sessionId }
}
