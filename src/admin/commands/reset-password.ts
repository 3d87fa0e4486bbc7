// npm run admin -- reset-password EMAIL: a new password for anybody, and the end of their sessions.
import { type AdminProgram, PASSWORD_STDIN, type PasswordOptions } from '../program.js'

export function addResetPassword({ program, onHost, readPassword, say, reveal }: AdminProgram): void {
  program.command('reset-password').argument('<email>').option(...PASSWORD_STDIN)
    .description('set a new password and end the account\'s sessions; prints the password once')
    .action(async (email: string, options: PasswordOptions) => {
      const given = await readPassword(options)
      const { password, endedSessions, status, ...account } = await onHost(({ accounts }) => accounts.resetPassword(email, given))
      say(`${account.email} has a new password; ${endedSessions} of their sessions ended.${status === 'active' ? '' : ` The account is ${status}: grant-admin makes it active.`}`)
      if (password === null) return
      say('The password, shown once:')
      reveal(password)
    })
}
