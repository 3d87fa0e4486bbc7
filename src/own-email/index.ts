// The address of one's own account: proven, and changed, by links that are mailed to it.
import { createOwnEmailService, type OwnEmailDependencies, type OwnEmailService } from './own-email-service.js'

export type { OwnEmailService, Waiting } from './own-email-service.js'

export function createOwnEmail(needs: OwnEmailDependencies): { ownEmail: OwnEmailService } {
  return { ownEmail: createOwnEmailService(needs) }
}
