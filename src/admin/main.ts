// `npm run admin -- COMMAND`: what the operator does from the host itself, on the database that the configuration names, whether
// Gatehouse runs or not. A command is one file in commands/; what fails is one line. Never migrates: that is the program's start.
import { availableParallelism } from 'node:os'
import { text } from 'node:stream/consumers'
import { Command, CommanderError } from 'commander'
import { createAccountStore, createHashQueue, createPasswordHasher, pepperIdOf } from '../accounts/index.js'
import { createAuditStore } from '../audit/index.js'
import { createAuthority } from '../authority/index.js'
import { createClientService, createClientStore, createResourceStore } from '../clients/index.js'
import type { Config } from '../config.js'
import { connectDatabase, type Database } from '../database/connect.js'
import { embeddedSecret } from '../database/embedded-secret.js'
import { connectServer, reach } from '../database/open.js'
import { migrate } from '../database/migrate.js'
import { pendingMigrations } from '../database/pending-migrations.js'
import { UNKNOWN_POOLING } from '../database/pooling.js'
import { visitEmbeddedPostgres } from '../database/visit-embedded-postgres.js'
import { loadConfig } from '../environment.js'
import { systemClock } from '../kernel/clock.js'
import { parseDatabaseUrl } from '../kernel/database-url.js'
import { AppError } from '../kernel/errors.js'
import { createCursors } from '../kernel/page.js'
import { createSecrets } from '../kernel/secrets.js'
import { createStandings } from '../organizations/index.js'
import { createOutbound } from '../outbound/index.js'
import { createInstallationStore } from '../setup/index.js'
import { exitLineOf } from '../start-failure.js'
import { createSigningKeyStore, isKeyUnder } from '../tokens/index.js'
import { addClient } from './commands/client.js'
import { addCopyDatabase } from './commands/copy-database.js'
import { addCreate } from './commands/create.js'
import { addGrantAdmin } from './commands/grant-admin.js'
import { addKeys } from './commands/keys.js'
import { addResetPassword } from './commands/reset-password.js'
import { addSecret } from './commands/secret.js'
import { addSigningKeys } from './commands/signing-keys.js'
import { copyDatabase, CopyError } from './copy-database.js'
import { HOST } from './host-caller.js'
import { createHostAccountService } from './host-account-service.js'
import { createHostAccountStore } from './host-account-store.js'
import { createHostKeyService } from './host-key-service.js'
import { createHostKeyStore } from './host-key-store.js'
import { type AdminProgram, type AdminStreams, type Host, HostError, readPassword } from './program.js'
import { createSecretStatusStore } from './secret-status-store.js'
import { createUpkeepService } from './upkeep-service.js'

const POOL_MAX = 2
const UNLIMITED = { take: () => ({ allowed: true, states: [], retryAfterMs: 0 }) }
const UNDEFINED_TABLE = '42P01'

function configOf(environment: NodeJS.ProcessEnv): Config {
  const outcome = loadConfig(environment)
  if ('mistakes' in outcome) throw new HostError(outcome.mistakes.map(({ name, message }) => `${name} ${message}`).join('\n'))
  return outcome.config
}

async function requireMigrated({ pool }: Database): Promise<void> {
  const pending = await pendingMigrations(pool).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === UNDEFINED_TABLE) return ['all']
    throw error
  })
  if (pending.length > 0) throw new HostError('The database is not that of this version yet: run npm start once, then this again')
  // refuses a database of a newer version; there is nothing to apply
  await migrate(pool)
}

/** Brings the database of `url` up to date, and copies into it. */
async function copyTo(source: Database, url: string, onTable: (table: string, rows: number) => void): Promise<void> {
  if (!/^postgres(ql)?:\/\//.test(url) || 'mistake' in parseDatabaseUrl(url)) throw new HostError('stdin holds no postgres:// URL')
  const target = await connectServer({ databaseUrl: url, databaseDirectUrl: null, databasePooling: UNKNOWN_POOLING }, { poolMax: POOL_MAX, onError: () => undefined })
  try {
    await reach(target.pool, url)
    await migrate(target.pool)
    await copyDatabase(source.pool, target.pool, onTable)
  } finally {
    await target.close()
  }
}

/** Runs `work` on the database that `config` names, and leaves that as it was: running or not. */
async function onHost<T>(config: Config, log: (message: string) => void, work: (host: Host) => Promise<T>): Promise<T> {
  const visit = config.databaseUrl === null ? await visitEmbeddedPostgres(config.dataDir, log) : null
  let database: Database | null = null
  try {
    const secrets = createSecrets(config.secret ?? embeddedSecret(config.dataDir), config.previousSecret)
    const options = { poolMax: POOL_MAX, onError: (error: Error) => log(`A database connection was lost: ${error.message}`) }
    database = visit ? connectDatabase({ ...options, connection: visit.connection }) : await connectServer(config, options)
    await reach(database.pool, config.databaseUrl)
    await requireMigrated(database)
    const { prisma, pool, transact } = database
    const cursors = createCursors(secrets)
    const clock = systemClock
    const audit = createAuditStore({ pool, cursors, clock })
    const from = database
    const resources = createResourceStore({ prisma, pool, cursors })
    const { authority } = createAuthority({ clock })
    const clients = createClientService({
      store: createClientStore({ prisma, pool, cursors }), resources, ...createOutbound({ config }), audit,
      authority, standings: createStandings({ prisma, pool, cursors, authority }), transact, clock, publishRevocations: async () => undefined, // nodes that run poll for it
    })
    return await work({
      keys: createHostKeyService({ store: createHostKeyStore({ prisma }), audit, transact, clock }),
      clients: { create: (input) => clients.create(HOST, input) },
      copyTo: (url, onTable) => copyTo(from, url, onTable),
      accounts: createHostAccountService({
        store: createHostAccountStore(), accounts: createAccountStore({ prisma, pool, cursors }), installation: createInstallationStore({ prisma }),
        hasher: createPasswordHasher({ secrets, clock, cost: config.bcryptCost, queue: createHashQueue({ clock, cores: availableParallelism() }), limits: UNLIMITED }), audit, transact, clock,
      }),
      upkeep: createUpkeepService({
        signingKeys: createSigningKeyStore({ prisma, secrets, clock }), status: createSecretStatusStore({ pool, secrets, pepperIdOf, isUnder: isKeyUnder }), audit, transact, clock,
        accessTokenSeconds: config.accessTokenSeconds, longestTokenSeconds: resources.longestTokenSeconds,
      }),
    })
  } finally {
    await database?.close()
    await visit?.close()
  }
}

function lineOf(error: unknown, config: Config | null): string {
  if (error instanceof HostError || error instanceof CopyError) return error.message
  if (error instanceof AppError) return [error.message, ...(error.errors ?? []).map(({ message }) => message)].join(': ')
  return (config && exitLineOf(error, config)) ?? (error instanceof Error ? error.message : String(error))
}

const OWN_STREAMS: AdminStreams = { out: (text) => console.log(text), err: (text) => console.error(text), input: process.stdin }

/** Runs the command that `args` names; the exit status. */
export async function runAdmin(args: readonly string[], environment: NodeJS.ProcessEnv, { out, err, input }: AdminStreams = OWN_STREAMS): Promise<number> {
  let config: Config | null = null
  const program = new Command('npm run admin --').description('What only the host may do. Each act is in the audit log, as actor "host".')
  const admin: AdminProgram = {
    program,
    readPassword: (options) => readPassword(options, input),
    onHost: (work) => onHost((config ??= configOf(environment)), err, work),
    readUrl: async () => (await text(input)).trim(),
    say: err,
    reveal: out,
  }
  for (const add of [addClient, addCreate, addGrantAdmin, addKeys, addResetPassword, addSigningKeys, addSecret, addCopyDatabase]) add(admin)
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) command.exitOverride().configureOutput({ writeErr: (text) => err(text.trimEnd()), writeOut: (text) => err(text.trimEnd()) })
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // commander has said what is wrong
    if (error instanceof CommanderError) return error.exitCode
    err(lineOf(error, config))
    return 1
  }
}
