// The set-up of an installation: its first administrator, made by whoever holds the token that the start printed.
import type { PrismaClient } from '../database/generated/client.js'
import { createInstallationStore } from './installation-store.js'
import { createSetupService, type SetupService, type SetupServiceDeps } from './setup-service.js'

export { createInstallationStore, type InstallationStore } from './installation-store.js'
export type { SetupService } from './setup-service.js'

export function createSetup({ prisma, ...deps }: Omit<SetupServiceDeps, 'store'> & { prisma: PrismaClient }): { setup: SetupService } {
  return { setup: createSetupService({ ...deps, store: createInstallationStore({ prisma }) }) }
}
