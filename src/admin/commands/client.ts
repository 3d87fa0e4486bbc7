// npm run admin -- client create NAME --redirect-uri URI: the first application, before anybody writes one by the API.
import { type AdminProgram, HostError } from '../program.js'

interface Options {
  kind: string
  redirectUri: string[]
  scope?: string
  resource: string[]
  public?: boolean
  firstParty?: boolean
}

const KINDS = ['web', 'native', 'service', 'resource'] as const
const isKind = (text: string): text is (typeof KINDS)[number] => (KINDS as readonly string[]).includes(text)
const collected = (value: string, before: string[]): string[] => [...before, value]

export function addClient({ program, onHost, say, reveal }: AdminProgram): void {
  program.command('client').description('applications that people sign in to')
    .command('create').argument('<name>').description('let an application in; prints its client_id, and its secret once')
    .option('--kind <kind>', 'web, native, service or resource', 'web')
    .option('--redirect-uri <uri>', 'where people come back to; may be given several times', collected, [])
    .option('--scope <scopes>', 'what it may ask for, separated by spaces')
    .option('--resource <identifier>', 'what it may ask tokens for; may be given several times', collected, [])
    .option('--public', 'it cannot keep a secret: a page, or a program on somebody\'s own machine')
    .option('--first-party', 'nobody is asked for consent')
    .action(async (name: string, { kind, redirectUri, scope, resource, public: isPublic = false, firstParty = false }: Options) => {
      if (!isKind(kind)) throw new HostError(`--kind is one of ${KINDS.join(', ')}`)
      const { clientId, clientSecret } = await onHost(({ clients }) => clients.create({
        name, kind, redirectUris: redirectUri, resources: resource, firstParty, ...(scope === undefined ? {} : { scopes: scope.split(' ').filter((one) => one !== '') }), ...(isPublic ? { authMethod: 'none' as const } : {}),
      }))
      reveal(`client_id ${clientId}`)
      if (clientSecret !== null) reveal(`client_secret ${clientSecret}`)
      say(`${name} may ask for tokens.${clientSecret === null ? '' : ' Its secret is not shown again.'}`)
    })
}
