// What tests of the guides use of Express: it comes without types.
declare module 'express' {
  import type { IncomingMessage, Server, ServerResponse } from 'node:http'

  export type Response = ServerResponse & { sendStatus: (status: number) => unknown }
  export type RequestHandler = (request: IncomingMessage, response: Response, next: (error?: unknown) => void) => unknown
  export type ErrorRequestHandler = (error: unknown, request: IncomingMessage, response: Response, next: (error?: unknown) => void) => unknown
  interface Application {
    use: (handler: RequestHandler | ErrorRequestHandler) => Application
    listen: (port: number, host: string) => Server
  }
  const express: () => Application
  export default express
}
