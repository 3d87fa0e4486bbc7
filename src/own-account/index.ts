// What people may do with the whole of their account: have all that is kept of it, and have it gone.
import type { AccountFeature } from '../accounts/index.js'
import type { AuditStore } from '../audit/index.js'
import type { Clock } from '../kernel/clock.js'
import type { KeyService } from '../keys/index.js'
import type { SessionService } from '../sessions/index.js'
import { createExportService, type ExportService, type Section } from './export-service.js'

export type { ExportService, Section } from './export-service.js'

export interface OwnAccountNeeds {
  accounts: AccountFeature['accounts']
  devices: AccountFeature['devices']
  sessions: SessionService
  keys: KeyService
  audit: AuditStore
  clock: Clock
  /** what other features keep of a person, by the name it has in the export */
  sections: Readonly<Record<string, Section>>
}

export function createOwnAccount(needs: OwnAccountNeeds): { exports: ExportService } {
  return { exports: createExportService(needs) }
}
