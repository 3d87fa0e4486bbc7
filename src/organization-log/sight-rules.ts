// Who may be told what has happened in an organization: members with the right, and who reads the whole log anyhow. Pure.
import { problem } from '../kernel/errors.js'
import { holds } from '../kernel/permissions.js'
import { refuseRight, type Standing } from '../organizations/index.js'

const AUDIT = 'gatehouse:audit.read'

/** `held`: what they hold in Gatehouse itself. Throws organization.not_found, access.denied. */
export function refuseSight(held: readonly string[], standing: Standing | null): void {
  if (!standing) throw problem('organization.not_found')
  if (holds(held, AUDIT)) return
  if (!standing.isMember) throw problem('access.denied', { detail: `Needs ${AUDIT}` })
  refuseRight(standing, 'audit.read')
}
