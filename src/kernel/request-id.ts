// The name of a request: in its answer, in every log line and problem of it, in its audit rows.
import { readAddress } from './address.js'

const TAKEN = /^[A-Za-z0-9._-]{1,64}$/

interface Asking {
  headers: Readonly<Record<string, string | string[] | undefined>>
  socket: { remoteAddress?: string | undefined }
}

/** Takes the X-Request-Id that a trusted proxy tells when it is a short plain word, else counts on from `boot`. */
export function createRequestIds(boot: string, isTrusted: (address: string) => boolean): (asking: Asking) => string {
  let count = 0
  return ({ headers, socket }) => {
    const told = headers['x-request-id']
    if (typeof told === 'string' && TAKEN.test(told) && isTrusted(readAddress(socket.remoteAddress ?? '') ?? '')) return told
    return `${boot}-${(count += 1).toString(36)}`
  }
}
