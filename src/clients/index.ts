// Applications that ask for tokens, and the APIs that tokens are for: what each may, and by what it proves who it is.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Cursors } from '../kernel/page.js'
import { type ClientService, type ClientServiceDeps, createClientService } from './client-service.js'
import { createClientStore } from './client-store.js'
import { createResourceService, type ResourceService, type ResourceServiceDeps } from './resource-service.js'
import { createResourceStore } from './resource-store.js'

export type { NewClient } from './client-rules.js'
export { completed, faultsOf } from './client-rules.js'
export { type ClientService, createClientService } from './client-service.js'
export { createClientStore } from './client-store.js'
export { createResourceStore } from './resource-store.js'
export type { ResourceService } from './resource-service.js'

export interface ClientsNeeds extends Omit<ClientServiceDeps, 'store' | 'resources'>, Omit<ResourceServiceDeps, 'store'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
}

export interface ClientsFeature {
  clients: ClientService
  resources: ResourceService
  jobs: Job[]
}

export function createClients({ prisma, pool, cursors, ...deps }: ClientsNeeds): ClientsFeature {
  const store = createClientStore({ prisma, pool, cursors })
  const resources = createResourceStore({ prisma, pool, cursors })
  return {
    clients: createClientService({ ...deps, store, resources }),
    resources: createResourceService({ ...deps, store: resources }),
    jobs: [tableExpiry(pool, { table: 'oauth_client_secrets', where: 'expires_at <= $1', before: deps.clock.now })],
  }
}
