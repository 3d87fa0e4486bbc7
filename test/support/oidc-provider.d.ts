// oidc-provider has no types of its own: what the tests use of it.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface Grant {
    addOIDCScope: (scope: string) => void
    save: () => Promise<string>
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    callback: () => (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionFinished: (request: IncomingMessage, response: ServerResponse, result: object) => Promise<void>
    Grant: new (of: { clientId: string; accountId: string }) => Grant
  }
}
