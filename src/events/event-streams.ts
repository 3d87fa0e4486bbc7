// Streams of events: each is a place, a filter and who asked. What it is told is made once for all who may be told the same; what it holds is
// one such piece at a time, and the next is not made before the reader has taken it. Who asked is judged before each piece, and twice a second.
import { Readable } from 'node:stream'
import { bulkhead } from 'cockatiel'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import type { Principal } from '../kernel/principal.js'
import type { Job } from '../jobs/index.js'
import type { EventFeed } from './event-feed.js'
import { type EventFilter, type EventRow, heartbeat, isNamed, messageOf, type Point, typesFor } from './event-rules.js'
import type { EventPage, EventStore } from './event-store.js'

/** The name of the job that looks after open streams: a test runs it. */
export const KEEPING_STREAMS = 'keeping event streams'
const EVERY_MS = 500
const HEARTBEAT_MS = 15_000
const STALLED_MS = 10_000
const MOST_ROWS = 100
const PIECE = 128 * 1024
const MOST_PIECES = 500
const HELD = 16 * 1024
// readers who are behind read from the database, and share two of its connections
const READS_AT_ONCE = 2
const RETRY_MS = 2_000

export interface StreamRequest {
  filter: EventFilter
  from: Point
  /** Who is asking, now. Throws, or rejects, when the credential is not good any more, or does not open this. */
  admitted: () => Principal | Promise<Principal>
  /** whose streams are counted together */
  owner: string
}

export interface EventStreams {
  /** Throws events.too_many_streams, server.busy. */
  open: (request: StreamRequest) => Readable
  count: () => number
  closeAll: () => void
}

export interface EventStreamDeps {
  feed: EventFeed
  store: Pick<EventStore, 'page'>
  clock: Clock
  config: { eventStreamsMax: number; eventStreamsPerOwner: number }
}

interface Piece {
  text: Buffer | null
  end: number
}

/** As many of the rows as make one piece. */
function pieceOf({ rows, end }: EventPage): Piece {
  const parts: string[] = []
  let size = 0
  for (const row of rows.slice(0, MOST_ROWS)) {
    const part = messageOf(row)
    parts.push(part)
    size += part.length
    if (size >= PIECE) break
  }
  const last = parts.length < rows.length ? rows[parts.length - 1]?.position ?? end : end
  return { text: parts.length === 0 ? null : Buffer.from(parts.join('')), end: last }
}

class EventStream extends Readable {
  isTaken = false
  wants: () => void = () => undefined

  constructor() {
    super({ highWaterMark: HELD })
  }

  override _read(): void {
    this.isTaken = true
    this.wants()
  }

  /** Hands a piece over; the next one only when it has been taken. */
  give(text: string | Buffer): void {
    this.isTaken = this.push(text)
  }
}

export function createEventStreams({ feed, store, clock, config }: EventStreamDeps): { streams: EventStreams; job: Job } {
  const open = new Map<EventStream, { keep: () => Promise<void>; pump: () => Promise<void>; end: (code: string) => void }>()
  const owners = new Map<string, number>()
  const reads = bulkhead(READS_AT_ONCE, Infinity)
  let pieces = new Map<string, Piece>()
  let stopFollowing: (() => void) | null = null

  /** From memory what all may share, else from the database. */
  async function pieceFor(types: readonly string[], typesName: string, subject: string | null, position: number): Promise<Piece> {
    const page = feed.since(position)
    if (!page) return pieceOf(await reads.execute(() => store.page(position, feed.head().position, { types, subject }, MOST_ROWS)))
    if (page.rows.length === 0) return { text: null, end: page.end }
    const name = `${position} ${page.end} ${typesName}`
    const known = pieces.get(name)
    if (known) return known
    const wanted = new Set(types)
    const piece = pieceOf({ rows: page.rows.filter((row: EventRow) => wanted.has(row.type) && (subject === null || row.subjectId === subject)), end: page.end })
    if (pieces.size >= MOST_PIECES) pieces = new Map()
    pieces.set(name, piece)
    return piece
  }

  function begin({ filter, from, admitted, owner }: StreamRequest): EventStream {
    const stream = new EventStream()
    let { position } = from
    let isPumping = false
    let isAskedAgain = false
    let heldPermissions: readonly string[] | null = null
    let types: string[] = []
    let typesName = ''
    let saidMs = clock.monotonic()
    let stalledMs: number | null = null
    let isOver = false

    function say(text: string | Buffer): void {
      saidMs = clock.monotonic()
      stream.give(text)
      stalledMs = stream.isTaken ? null : saidMs
    }

    function end(code: string): void {
      if (stream.destroyed || isOver) return
      isOver = true
      stream.push(`event: end\ndata: ${JSON.stringify({ code })}\n\n`)
      stream.push(null)
      forget()
    }

    /** What is told is what whoever asked may be told now. False: the stream has ended. */
    async function judge(): Promise<boolean> {
      try {
        const asked = admitted()
        const { permissions } = asked instanceof Promise ? await asked : asked
        if (permissions !== heldPermissions) {
          types = typesFor(filter, permissions)
          typesName = `${filter.subject ?? ''} ${types.join()}`
          heldPermissions = permissions
        }
        return !stream.destroyed && !isOver
      } catch (error) {
        end(error instanceof AppError ? error.code : 'server.error')
        return false
      }
    }

    async function pump(): Promise<void> {
      isAskedAgain = true
      if (isPumping) return
      isPumping = true
      try {
        while (isAskedAgain) {
          isAskedAgain = false
          while (stream.isTaken && position < feed.head().position && (await judge())) {
            const piece = await pieceFor(types, typesName, filter.subject, position)
            position = piece.end
            if (piece.text && !stream.destroyed && !isOver) say(piece.text)
          }
        }
      } catch {
        // the database is away: the reader comes again with the last place that it was told
        stream.destroy()
      } finally {
        isPumping = false
      }
    }

    async function keep(): Promise<void> {
      const now = clock.monotonic()
      if (stalledMs !== null && now - stalledMs >= STALLED_MS) return void stream.destroy()
      if (!(await judge()) || !stream.isTaken) return
      if (now - saidMs >= HEARTBEAT_MS) say(heartbeat(feed.pointAt(position)))
      void pump()
    }

    function forget(): void {
      if (!open.delete(stream)) return
      const left = (owners.get(owner) ?? 1) - 1
      if (left === 0) owners.delete(owner)
      else owners.set(owner, left)
      if (open.size === 0) stopFollowing?.()
      if (open.size === 0) stopFollowing = null
    }

    stream.wants = () => {
      stalledMs = null
      void pump()
    }
    stream.once('close', forget)
    open.set(stream, { keep, pump, end })
    say(`retry: ${RETRY_MS}\n${heartbeat(isNamed(from) ? from : null)}`)
    return stream
  }

  function tellAll(): void {
    pieces = new Map()
    for (const { pump } of open.values()) void pump()
  }

  return {
    streams: {
      open(request) {
        const count = owners.get(request.owner) ?? 0
        if (count >= config.eventStreamsPerOwner) throw problem('events.too_many_streams', { detail: `At most ${config.eventStreamsPerOwner} streams an owner on a node`, retryAfterSeconds: 10 })
        if (open.size >= config.eventStreamsMax) throw problem('server.busy', { retryAfterSeconds: 10 })
        owners.set(request.owner, count + 1)
        stopFollowing ??= feed.follow(tellAll, true)
        return begin(request)
      },
      count: () => open.size,
      closeAll() {
        for (const { end } of open.values()) end('server.busy')
      },
    },
    job: { name: KEEPING_STREAMS, everyMs: EVERY_MS, work: () => Promise.all([...open.values()].map(({ keep }) => keep())) },
  }
}
