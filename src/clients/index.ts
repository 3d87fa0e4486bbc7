// Applications that ask for tokens, and the APIs that tokens are for: what each may, and by what it proves who it is.
import type pg from 'pg'
import { tableExpiry } from '../database/expiry.js'
import type { PrismaClient } from '../database/generated/client.js'
import type { Job } from '../jobs/index.js'
import type { Cursors } from '../kernel/page.js'
import type { Outbound } from '../outbound/index.js'
import { createHeldRows, type Revocations } from '../revocation/index.js'
import { type ClientAuthentication, createClientAuthentication } from './client-authentication-service.js'
import { type ClientDirectory, createClientDirectory } from './client-directory.js'
import { type ClientService, type ClientServiceDeps, createClientService } from './client-service.js'
import { withDocuments } from './client-document-service.js'
import { createClientStore } from './client-store.js'
import { createKeyDirectory } from './key-directory.js'
import { createRegistration, type RegistrationService } from './registration-service.js'
import { createRegistrationStore } from './registration-store.js'
import { createResourceService, type ResourceService, type ResourceServiceDeps } from './resource-service.js'
import { createResourceStore } from './resource-store.js'
import { createUsedStore, type UsedStore } from './used-store.js'

export type { NewClient } from './client-rules.js'
export { IDENTITY_SCOPES, isIdentityScope, isWithinReach, parseScope, permissionsOf, type ResourceScope, type ScopedApi, scopesWithin } from './scope-rules.js'
export type { ClientAuthentication } from './client-authentication-service.js'
export { type ClientDirectory, type KnownClient, type KnownResource, wayOf } from './client-directory.js'
export { isConfidential } from './client-rules.js'
export { type ClientService, createClientService } from './client-service.js'
export { OAuthError, type OAuthErrorCode } from './oauth-error.js'
export { type Parameters, parametersOf, readParameters } from './parameters.js'
export { isOwnMachine, isRegistered } from './redirect-rules.js'
export type { UsedStore } from './used-store.js'
export { createClientStore } from './client-store.js'
export { createResourceStore } from './resource-store.js'
export type { RegistrationService } from './registration-service.js'
export type { ResourceService } from './resource-service.js'

export interface ClientsNeeds extends Omit<ClientServiceDeps, 'store' | 'resources'>, Omit<ResourceServiceDeps, 'store'> {
  prisma: PrismaClient
  pool: pg.Pool
  cursors: Cursors
  outbound: Outbound
  known: Revocations
  /** May a stranger's document of this host be asked for now? */
  mayFetchDocument: (host: string) => Promise<boolean>
  config: { oauthRegistration: 'closed' | 'token' | 'open'; oauthClientDocuments: boolean; oauthDynamicClientsMax: number }
}

export interface ClientsFeature {
  clients: ClientService
  resources: ResourceService
  /** clients and resources as requests find them */
  directory: ClientDirectory
  /** the same, where people are sent from: clients are also known by their documents there, if that is on */
  publicDirectory: ClientDirectory
  registration: RegistrationService
  authentication: ClientAuthentication
  used: UsedStore
  jobs: Job[]
}

export function createClients({ prisma, pool, cursors, known, mayFetchDocument, config, ...deps }: ClientsNeeds): ClientsFeature {
  const store = createClientStore({ prisma, pool, cursors })
  const resources = createResourceStore({ prisma, pool, cursors })
  const directory = createClientDirectory({ pool, hold: (how) => createHeldRows({ revocations: known, ...how }) })
  const used = createUsedStore({ pool })
  const registrations = createRegistrationStore({ prisma })
  const registration = createRegistration({ ...deps, store, registrations, config, issuer: deps.publicOrigin })
  return {
    directory,
    publicDirectory: config.oauthClientDocuments ? withDocuments({ ...deps, directory, store, registrations, registration, mayFetch: mayFetchDocument }) : directory,
    registration,
    used,
    authentication: createClientAuthentication({ directory, keys: createKeyDirectory(deps), used, clock: deps.clock, issuer: deps.publicOrigin }),
    clients: createClientService({ ...deps, store, resources }),
    resources: createResourceService({ ...deps, store: resources }),
    jobs: [
      ...['oauth_client_secrets', 'oauth_used'].map((table) => tableExpiry(pool, { table, where: 'expires_at <= $1', before: deps.clock.now })),
      // a document that was disabled would come again as a new client
      tableExpiry(pool, { table: 'oauth_clients', where: "expires_at <= $1 AND (enabled OR registration <> 'document')", before: deps.clock.now }),
    ],
  }
}
