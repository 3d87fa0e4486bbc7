// npm run admin -- secret status: how far the rotation of GATEHOUSE_SECRET has come.
import type { SecretStatus } from '../secret-status-store.js'
import type { UpkeepProgram } from '../upkeep-program.js'

/** The report, a line for each kind. */
export function secretReport({ passwords, signingKeys }: SecretStatus): string {
  const left = passwords.previous + passwords.unnamed
  const total = left + passwords.current + passwords.neither
  const lines = [
    `Signing keys: ${signingKeys.current} under GATEHOUSE_SECRET, ${signingKeys.previous} under GATEHOUSE_SECRET_PREVIOUS (the next start takes them over), ${signingKeys.neither} under neither`,
    `Passwords: ${passwords.current} of ${total} under GATEHOUSE_SECRET, ${passwords.previous} under GATEHOUSE_SECRET_PREVIOUS, ${passwords.unnamed} of a version that did not note it, ${passwords.neither} under neither`,
  ]
  if (left > 0) lines.push('A password moves at its next right sign-in; who has not signed in when GATEHOUSE_SECRET_PREVIOUS goes needs a reset.')
  return lines.join('\n')
}

export function addSecret({ program, onHost, say }: UpkeepProgram): void {
  program.command('secret').description('GATEHOUSE_SECRET')
    .command('status').description('count what is still under GATEHOUSE_SECRET_PREVIOUS')
    .action(async () => say(secretReport(await onHost(({ upkeep }) => upkeep.secretStatus()))))
}
