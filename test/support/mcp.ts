// An MCP server with one tool, as it stands behind a gateway: whoever comes is asked about at the gate, and the server finds who it is in the headers it is given.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { LightMyRequestResponse } from 'fastify'
import type { Teardown } from './database.js'

export interface Guarded {
  origin: string
  /** who was let in, in order */
  subjects: string[]
}

/** Listens on a free port of this machine until `t` ends; its origin. */
export async function serve(t: Teardown, server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, subject: string): Promise<void> {
  const server = new McpServer({ name: 'tools', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Who calls' }, () => ({ content: [{ type: 'text', text: subject }] }))
  // one for each request: it keeps no session
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  outgoing.on('close', () => void transport.close())
  await server.connect(transport)
  await transport.handleRequest(incoming, outgoing)
}

/** `gate` is asked about each request, as a gateway does. */
export async function guardedServer(t: Teardown, gate: (path: string, headers: Record<string, string>) => Promise<LightMyRequestResponse>): Promise<Guarded> {
  const subjects: string[] = []
  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { authorization } = incoming.headers
    const { statusCode, headers } = await gate(incoming.url ?? '/', authorization === undefined ? {} : { authorization })
    if (statusCode === 200) {
      const subject = String(headers['x-auth-subject'])
      subjects.push(subject)
      await answer(incoming, outgoing, subject)
    } else {
      incoming.resume()
      outgoing.writeHead(statusCode, { 'www-authenticate': String(headers['www-authenticate'] ?? '') }).end()
    }
  }
  const server = createServer((incoming, outgoing) => {
    void handle(incoming, outgoing)
  })
  return { origin: await serve(t, server), subjects }
}
