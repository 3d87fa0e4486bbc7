// A connection that has one request under way at a time and reads as little of HTTP as Gatehouse's answers need: status line,
// content-length, body. For loads in which every request is another one, which autocannon would have to be told of one by one.
import { connect } from 'node:net'

export interface Reply {
  status: number
  /** status line and headers, as they came */
  head: string
  body: string
}

export interface Wire {
  isFree: () => boolean
  /** Only while it is free. `done` gets the answer, or null when the connection broke. */
  send: (request: string, done: (reply: Reply | null) => void) => void
  close: () => void
}

const HEAD_END = '\r\n\r\n'
const LENGTH = /\r\ncontent-length: (\d+)/i

/** The answer at the start of `text`, or null when a part of it is missing. One byte a character. */
function readReply(text: string): Reply | null {
  const head = text.indexOf(HEAD_END)
  if (head === -1) return null
  const body = head + HEAD_END.length
  const length = Number(LENGTH.exec(text.slice(0, head))?.[1] ?? 0)
  return text.length < body + length ? null : { status: Number(text.slice(9, 12)), head: text.slice(0, head), body: text.slice(body, body + length) }
}

/** Resolves when it is connected. */
export async function openWire(origin: string): Promise<Wire> {
  const { hostname, port } = new URL(origin)
  let waiting: ((reply: Reply | null) => void) | null = null
  let received = ''
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  const end = (reply: Reply | null): void => {
    const done = waiting
    waiting = null
    received = ''
    done?.(reply)
  }
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    const reply = readReply(received)
    if (reply) end(reply)
  })
  socket.on('error', () => end(null))
  socket.on('close', () => end(null))
  return {
    isFree: () => waiting === null && !socket.destroyed,
    send(request, done) {
      waiting = done
      socket.write(request, 'latin1')
    },
    close: () => socket.destroy(),
  }
}
