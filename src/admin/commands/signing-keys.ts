// npm run admin -- signing-keys rotate [--at-once]: a new key for access tokens; running nodes take it up by themselves.
import type { UpkeepProgram } from '../upkeep-program.js'

export function addSigningKeys({ program, onHost, say }: UpkeepProgram): void {
  program.command('signing-keys').description('the keys that sign access tokens')
    .command('rotate').description('make a new one, which takes over in ten minutes; nobody notices')
    .option('--at-once', 'the keys there are were stolen: refuse what they signed, from now on')
    .action(async ({ atOnce = false }: { atOnce?: boolean }) => {
      const made = await onHost(({ upkeep }) => upkeep.rotateSigningKeys({ atOnce }))
      if (made) say(`Key ${made.kid} signs from ${made.activatesAt.toISOString()} on; the ones before it are good until ${made.othersRetireAt.toISOString()}.`)
      else say('A key that was made by the last rotation waits to take over: nothing was done. --at-once does not wait.')
    })
}
