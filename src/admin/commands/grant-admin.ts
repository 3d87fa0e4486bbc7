// npm run admin -- grant-admin EMAIL: makes an administrator of an account that there is.
import type { AdminProgram } from '../program.js'

export function addGrantAdmin({ program, onHost, say }: AdminProgram): void {
  program.command('grant-admin').argument('<email>')
    .description('make an account active and an administrator\'s; its password stays')
    .action(async (email: string) => {
      const made = await onHost(({ accounts }) => accounts.grantAdmin(email))
      say(`${made.email} is active and an administrator.`)
    })
}
