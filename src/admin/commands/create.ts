// npm run admin -- create EMAIL: an administrator, whoever else there is.
import { type AdminProgram, PASSWORD_STDIN, type PasswordOptions } from '../program.js'

export function addCreate({ program, onHost, readPassword, say, reveal }: AdminProgram): void {
  program.command('create').argument('<email>').option(...PASSWORD_STDIN)
    .description('open an administrator\'s account; prints its password once')
    .action(async (email: string, options: PasswordOptions) => {
      const given = await readPassword(options)
      const made = await onHost(({ accounts }) => accounts.create(email, given))
      say(`${made.email} is an administrator.${made.password === null ? '' : ' Their password, shown once:'}`)
      if (made.password !== null) reveal(made.password)
    })
}
