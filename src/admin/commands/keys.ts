// npm run admin -- keys dark | keys adopt ID...: after an upgrade, the keys that nobody is named to have sold.
import { isUuid } from '../../kernel/ids.js'
import { type AdminProgram, HostError } from '../program.js'

export function addKeys({ program, onHost, say, reveal }: AdminProgram): void {
  const keys = program.command('keys').description('keys that carry what their owners do not hold')
  keys.command('dark').description('list the bound keys that are worth less than what is written on them: id, owner, permissions, name')
    .action(async () => {
      const dark = await onHost(({ keys: service }) => service.listDark())
      for (const { id, ownerUserId, permissions, name } of dark) reveal([id, ownerUserId, permissions.join(','), JSON.stringify(name)].join('\t'))
      say(`${dark.length} keys${dark.length === 1_000 ? ' (there may be more)' : ''}.`)
    })
  keys.command('adopt').argument('<ids...>').description('make chosen bound keys standing: they were sold, and are worth what is written on them')
    .action(async (ids: string[]) => {
      const wrong = ids.find((id) => !isUuid(id))
      if (wrong !== undefined) throw new HostError('each id must be that of a key, as `keys dark` lists them')
      const adopted = await onHost(({ keys: service }) => service.adopt(ids))
      say(`${adopted.length} of ${new Set(ids).size} keys stand now; the others are no bound keys of people, or have been revoked.`)
    })
}
