// What a command of `npm run admin` is given: the host's services, and where its words go. Secrets go to stdout alone, and only
// those that the command was asked to make; all else goes to stderr, so that `npm run --silent admin -- ... > file` holds the secret alone.
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { ClientService } from '../clients/index.js'
import type { HostAccountService } from './host-account-service.js'
import type { HostKeyService } from './host-key-service.js'
import type { CopyTo } from './upkeep-program.js'
import type { UpkeepService } from './upkeep-service.js'

export interface Host {
  accounts: HostAccountService
  keys: HostKeyService
  clients: { create: (input: Parameters<ClientService['create']>[1]) => ReturnType<ClientService['create']> }
  upkeep: UpkeepService
  copyTo: CopyTo
}

export interface AdminProgram {
  program: Command
  /** Connects, runs `work`, and leaves the database running or stopped as it was. */
  onHost: <T>(work: (host: Host) => Promise<T>) => Promise<T>
  /** The password to set: read from stdin when asked to, else null, and one is made up. */
  readPassword: (options: PasswordOptions) => Promise<string | null>
  readUrl: () => Promise<string>
  say: (text: string) => void
  /** Prints a secret, alone on its line. */
  reveal: (secret: string) => void
}

export interface PasswordOptions {
  passwordStdin?: boolean
}

/** What a command cannot do, in the one line its operator needs. */
export class HostError extends Error {
  override readonly name = 'HostError'
}

export const PASSWORD_STDIN = ['--password-stdin', 'read the password from stdin instead of making one up and printing it'] as const

/** Where a command's words go and come from. */
export interface AdminStreams {
  out: (text: string) => void
  err: (text: string) => void
  input: Readable
}

/** One closing newline is of the terminal or the file, not of the password. */
export async function readPassword({ passwordStdin = false }: PasswordOptions, input: Readable): Promise<string | null> {
  if (!passwordStdin) return null
  const password = (await text(input)).replace(/\r?\n$/, '')
  if (password === '') throw new HostError('stdin holds no password')
  return password
}
