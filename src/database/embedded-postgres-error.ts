// Why the embedded PostgreSQL cannot serve, said in one line to whoever started the program.

export class EmbeddedPostgresError extends Error {
  override readonly name: string = 'EmbeddedPostgresError'

  /** the one line to print before exit 1 */
  get exitLine(): string {
    return this.message.replaceAll(/\s*\n\s*/g, ' ')
  }
}

/** Another process owns the data folder. */
export class DataFolderInUse extends EmbeddedPostgresError {
  override readonly name = 'DataFolderInUse'
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
