// npm run admin -- copy-database < FILE_WITH_THE_URL: everything of this installation into another database, which must hold no accounts.
import type { UpkeepProgram } from '../upkeep-program.js'

export function addCopyDatabase({ program, onHost, readUrl, say }: UpkeepProgram): void {
  program.command('copy-database').description('copy everything into the database whose URL is read from stdin; it must hold no accounts. Stop Gatehouse first')
    .action(async () => {
      const url = await readUrl()
      await onHost(({ copyTo }) => copyTo(url, (table, rows) => say(`${table}: ${rows}`)))
      say('Everything was copied. Start with that DATABASE_URL, and with the GATEHOUSE_SECRET of this installation.')
    })
}
