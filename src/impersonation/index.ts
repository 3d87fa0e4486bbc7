// Acting for somebody else, for a while and in the open.
import { createImpersonationService, type ImpersonationDependencies, type ImpersonationService } from './impersonation-service.js'

export type { ImpersonationService } from './impersonation-service.js'

export function createImpersonation(needs: ImpersonationDependencies): { impersonation: ImpersonationService } {
  return { impersonation: createImpersonationService(needs) }
}
