// How each gateway tells of the request it holds, and which answers it can pass on. Only headers that the gateway's
// configuration in docs/gateways sets anew are read; the query of the asking request never is. Pure.
import { readAddress } from '../kernel/address.js'

export const GATEWAYS = ['nginx', 'caddy', 'traefik', 'envoy', 'haproxy'] as const
export type Gateway = (typeof GATEWAYS)[number]

/** The request that waits at the gateway. */
export interface OriginalRequest {
  method: string
  host: string
  /** as the client sent it */
  target: string
  /** '' when the gateway does not say */
  protocol: string
  /** one address or a chain of them, '' when the gateway does not say: see lastAddress */
  addresses: string
}

export interface AskingRequest {
  method: string
  /** the asking request's own target */
  url: string
  headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface Profile {
  read: (request: AskingRequest) => OriginalRequest
  /** the status the gateway can pass on for one that is meant */
  status: (meant: number) => number
}

type Headers = AskingRequest['headers']

const asMeant = (status: number): number => status

function text(headers: Headers, name: string): string {
  const value = headers[name]
  return typeof value === 'string' ? value : ''
}

/** The client's address in its one spelling, '' when none is told. A gateway appends the one it sees to the chain: what stands before it is the client's own word. */
export function lastAddress(addresses: string): string {
  return readAddress(addresses.slice(addresses.lastIndexOf(',') + 1)) ?? ''
}

/** nginx and HAProxy ask with headers of our choosing, which no client's header shares a meaning with. */
function readOriginal({ headers }: AskingRequest): OriginalRequest {
  return {
    method: text(headers, 'x-original-method'), host: text(headers, 'x-original-host'), target: text(headers, 'x-original-uri'),
    protocol: text(headers, 'x-original-proto'), addresses: text(headers, 'x-original-address'),
  }
}

/** A WebSocket's scheme is that of its page (RFC 6454 4, RFC 6455 1.6). */
const PAGE: Readonly<Record<string, string>> = { ws: 'http', wss: 'https' }
const pageProtocol = (protocol: string): string => PAGE[protocol] ?? protocol

/** Caddy and Traefik set these five themselves, whatever the client sent. */
function readForwarded({ headers }: AskingRequest): OriginalRequest {
  return {
    method: text(headers, 'x-forwarded-method'), host: text(headers, 'x-forwarded-host'), target: text(headers, 'x-forwarded-uri'),
    protocol: pageProtocol(text(headers, 'x-forwarded-proto')), addresses: text(headers, 'x-forwarded-for'),
  }
}

const ENVOY_PREFIX = '/gate/envoy'

/** Envoy asks with the original method and Host, and the original target behind the prefix. */
function readEnvoy({ method, url, headers }: AskingRequest): OriginalRequest {
  return {
    method, host: text(headers, 'host'), target: url.slice(ENVOY_PREFIX.length),
    protocol: pageProtocol(text(headers, 'x-forwarded-proto')), addresses: text(headers, 'x-forwarded-for'),
  }
}

export const PROFILES: Readonly<Record<Gateway, Profile>> = {
  // auth_request turns all but 2xx, 401 and 403 into 500: the configuration maps X-Auth-Status back
  nginx: { read: readOriginal, status: (meant) => (meant < 300 || meant === 401 ? meant : 403) },
  caddy: { read: readForwarded, status: asMeant },
  traefik: { read: readForwarded, status: asMeant },
  // 200 alone lets a request through; 5xx is Envoy's status_on_error
  envoy: { read: readEnvoy, status: asMeant },
  haproxy: { read: readOriginal, status: asMeant },
}
