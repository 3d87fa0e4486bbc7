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

/** What a reader may be told; readers of one name are told the same. */
interface Told {
  types: ReadonlySet<string>
  subject: string | null
  name: string
}

const NOTHING: Told = { types: new Set(), subject: null, name: '' }

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
  const open = new Map<EventStream, { keep: () => Promise<void>; pump: () => void; end: (code: string) => void }>()
  const owners = new Map<string, number>()
  const reads = bulkhead(READS_AT_ONCE, Infinity)
  /** by what may be told, then by place: readers who are told the same share it */
  let pieces = new Map<string, Map<number, Piece>>()
  let piecesHeld = 0
  let stopFollowing: (() => void) | null = null

  function forgetPieces(): void {
    pieces = new Map()
    piecesHeld = 0
  }

  /** What all may share, from memory; null: it is not there any more. */
  function pieceAtHand({ types, subject, name }: Told, position: number): Piece | null {
    let known = pieces.get(name)
    const before = known?.get(position)
    if (before) return before
    const page = feed.since(position)
    if (!page) return null
    if (page.rows.length === 0) return { text: null, end: page.end }
    const piece = pieceOf({ rows: page.rows.filter((row: EventRow) => types.has(row.type) && (subject === null || row.subjectId === subject)), end: page.end })
    if (piecesHeld >= MOST_PIECES) forgetPieces()
    known = pieces.get(name)
    if (!known) pieces.set(name, (known = new Map<number, Piece>()))
    known.set(position, piece)
    piecesHeld += 1
    return piece
  }

  async function pieceRead({ types, subject }: Told, position: number): Promise<Piece> {
    return pieceOf(await reads.execute(() => store.page(position, feed.head().position, { types: [...types], subject }, MOST_ROWS)))
  }

  function begin({ filter, from, admitted, owner }: StreamRequest): EventStream {
    const stream = new EventStream()
    let { position } = from
    let isPumping = false
    let isAskedAgain = false
    let heldPermissions: readonly string[] | null = null
    let told = NOTHING
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

    function judged({ permissions }: Principal): boolean {
      if (permissions !== heldPermissions) {
        const types = typesFor(filter, permissions)
        told = { types: new Set(types), subject: filter.subject, name: `${filter.subject ?? ''} ${types.join()}` }
        heldPermissions = permissions
      }
      return !stream.destroyed && !isOver
    }

    function refused(error: unknown): boolean {
      end(error instanceof AppError ? error.code : 'server.error')
      return false
    }

    /** What is told is what whoever asked may be told now. False: the stream has ended. Without a promise where who it is is at hand. */
    function judge(): boolean | Promise<boolean> {
      try {
        const asked = admitted()
        return asked instanceof Promise ? asked.then(judged, refused) : judged(asked)
      } catch (error) {
        return refused(error)
      }
    }

    const wantsMore = (): boolean => stream.isTaken && position < feed.head().position

    function take({ text, end: behind }: Piece): void {
      position = behind
      if (text && !stream.destroyed && !isOver) say(text)
    }

    /** Tells what is at hand. True: that is all; false: something must be waited for. */
    function tellAtHand(): boolean {
      while (wantsMore()) {
        const may = judge()
        if (may instanceof Promise) return false
        const piece = may ? pieceAtHand(told, position) : null
        if (may && !piece) return false
        if (!piece) return true
        take(piece)
      }
      return true
    }

    async function tellRest(): Promise<void> {
      while (wantsMore() && (await judge())) take(pieceAtHand(told, position) ?? (await pieceRead(told, position)))
    }

    function pump(): void {
      isAskedAgain = true
      if (isPumping) return
      isPumping = true
      while (isAskedAgain) {
        isAskedAgain = false
        if (tellAtHand()) continue
        // the database is away: the reader comes again with the last place that it was told
        void tellRest().catch(() => void stream.destroy()).finally(() => {
          isPumping = false
          if (isAskedAgain) pump()
        })
        return
      }
      isPumping = false
    }

    async function keep(): Promise<void> {
      const now = clock.monotonic()
      if (stalledMs !== null && now - stalledMs >= STALLED_MS) return void stream.destroy()
      if (!(await judge()) || !stream.isTaken) return
      if (now - saidMs >= HEARTBEAT_MS) say(heartbeat(feed.pointAt(position)))
      pump()
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
      pump()
    }
    stream.once('close', forget)
    open.set(stream, { keep, pump, end })
    say(`retry: ${RETRY_MS}\n${heartbeat(isNamed(from) ? from : null)}`)
    return stream
  }

  function tellAll(): void {
    forgetPieces()
    for (const { pump } of open.values()) pump()
  }

  return {
    streams: {
      open(request) {
        const count = owners.get(request.owner) ?? 0
        if (count >= config.eventStreamsPerOwner) throw problem('events.too_many_streams', { detail: `At most ${config.eventStreamsPerOwner} streams an owner on a node`, retryAfterSeconds: 10 })
        if (open.size >= config.eventStreamsMax) throw problem('server.busy', { retryAfterSeconds: 10 })
        owners.set(request.owner, count + 1)
        if (!stopFollowing) forgetPieces()
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
