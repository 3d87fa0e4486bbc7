// What the commands for keys and secrets are given: the program to add themselves to, the host's service, and where words go.
import type { Command } from 'commander'
import type { UpkeepService } from './upkeep-service.js'

/** Migrates the database of a URL and copies everything of this one into it. Throws CopyError. */
export type CopyTo = (url: string, onTable: (table: string, rows: number) => void) => Promise<void>

export interface UpkeepProgram {
  program: Command
  /** Connects, runs `work`, and leaves the database running or stopped as it was. */
  onHost: <T>(work: (host: { upkeep: UpkeepService; copyTo: CopyTo }) => Promise<T>) => Promise<T>
  /** One line of stdin: a URL holds a password, and what stands on a command line is seen by others. */
  readUrl: () => Promise<string>
  say: (text: string) => void
}
