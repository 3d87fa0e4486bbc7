// What the commands for keys and secrets are given: the program to add themselves to, the host's service, and where words go.
import type { Command } from 'commander'
import type { UpkeepService } from './upkeep-service.js'

export interface UpkeepProgram {
  program: Command
  /** Connects, runs `work`, and leaves the database running or stopped as it was. */
  onHost: <T>(work: (host: { upkeep: UpkeepService }) => Promise<T>) => Promise<T>
  say: (text: string) => void
}
