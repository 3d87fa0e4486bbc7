// Streams of events: each is a place, a filter and who asked. What it is told is made once for all who may be told the same; what it holds is
// one such piece at a time, and the next is not made before the reader has taken it. Who asked is judged before each piece, and twice a second.
// Streams of organizations are the same, of one organization's events alone, and have a share of what there is.
import { Readable } from 'node:stream'
import { bulkhead } from 'cockatiel'
import type { Clock } from '../kernel/clock.js'
import { AppError, problem } from '../kernel/errors.js'
import type { Principal } from '../kernel/principal.js'
import type { Job } from '../jobs/index.js'
import type { EventFeed } from './event-feed.js'
import { heartbeat, isNamed, messageOf, type PlacedRow, type PlaceText, type Point } from './event-rules.js'
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
// those of organizations one of their own: what they are told is rare, and looking for it takes nobody else's
const READS_OF_ORGANIZATIONS_AT_ONCE = 1
const RETRY_MS = 2_000

/** What streams are counted with, and how many there may be. */
export interface Share {
  name: string
  most: number
  code: 'events.too_many_streams' | 'server.busy'
}

export interface StreamRequest {
  /** what somebody may be told of */
  typesFor: (principal: Principal) => readonly string[]
  /** the subject's id; null: anybody's */
  subject: string | null
  /** of its events alone; null: of all */
  organizationId: string | null
  placeText: PlaceText
  from: Point
  /** Who is asking, now. Throws, or rejects, when the credential is not good any more, or does not open this. */
  admitted: () => Principal | Promise<Principal>
  shares: readonly Share[]
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
  config: { eventStreamsMax: number }
}

interface Piece {
  text: Buffer | null
  end: number
}

/** What a reader may be told; readers of one name are told the same. */
interface Told extends Pick<StreamRequest, 'subject' | 'organizationId' | 'placeText'> {
  types: ReadonlySet<string>
  name: string
}

const isTold = ({ types, subject, organizationId }: Told, row: PlacedRow): boolean =>
  types.has(row.type) && (subject === null || row.subjectId === subject) && (organizationId === null || row.organizationId === organizationId)

/** As many of the rows as make one piece. */
function pieceOf({ rows, end }: EventPage, placeText: PlaceText): Piece {
  const parts: string[] = []
  let size = 0
  for (const row of rows.slice(0, MOST_ROWS)) {
    const part = messageOf(row, placeText)
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
  const counted = new Map<string, number>()
  const reads = bulkhead(READS_AT_ONCE, Infinity)
  const readsOfOrganizations = bulkhead(READS_OF_ORGANIZATIONS_AT_ONCE, Infinity)
  /** by what may be told, then by place: readers who are told the same share it */
  let pieces = new Map<string, Map<number, Piece>>()
  let piecesHeld = 0
  let stopFollowing: (() => void) | null = null

  function forgetPieces(): void {
    pieces = new Map()
    piecesHeld = 0
  }

  /** What all may share, from memory; null: it is not there any more. */
  function pieceAtHand(told: Told, position: number): Piece | null {
    const { name } = told
    let known = pieces.get(name)
    const before = known?.get(position)
    if (before) return before
    const page = feed.since(position)
    if (!page) return null
    if (page.rows.length === 0) return { text: null, end: page.end }
    const piece = pieceOf({ rows: page.rows.filter((row) => isTold(told, row)), end: page.end }, told.placeText)
    if (piecesHeld >= MOST_PIECES) forgetPieces()
    known = pieces.get(name)
    if (!known) pieces.set(name, (known = new Map<number, Piece>()))
    known.set(position, piece)
    piecesHeld += 1
    return piece
  }

  async function pieceRead({ types, subject, organizationId, placeText }: Told, position: number): Promise<Piece> {
    const of = organizationId === null ? {} : { organizationId }
    const inTurn = organizationId === null ? reads : readsOfOrganizations
    return pieceOf(await inTurn.execute(() => store.page(position, feed.head().position, { types: [...types], subject, ...of }, MOST_ROWS)), placeText)
  }

  function begin({ typesFor, subject, organizationId, placeText, from, admitted, shares }: StreamRequest): EventStream {
    const stream = new EventStream()
    let { position } = from
    let isPumping = false
    let isAskedAgain = false
    let heldPermissions: readonly string[] | null = null
    let told: Told = { types: new Set(), subject, organizationId, placeText, name: '' }
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
      // it is there until it has been taken: whoever takes nothing holds a connection and what is in it, and could open one after the other
      stalledMs ??= clock.monotonic()
      stream.push(`event: end\ndata: ${JSON.stringify({ code })}\n\n`)
      stream.push(null)
    }

    function judged(principal: Principal): boolean {
      if (principal.permissions !== heldPermissions) {
        const types = typesFor(principal)
        told = { ...told, types: new Set(types), name: `${organizationId ?? ''} ${subject ?? ''} ${types.join()}` }
        heldPermissions = principal.permissions
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

    const wantsMore = (): boolean => !isOver && stream.isTaken && position < feed.head().position

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
      if (isOver || !(await judge()) || !stream.isTaken) return
      if (now - saidMs >= HEARTBEAT_MS) say(heartbeat(feed.pointAt(position), placeText))
      pump()
    }

    function forget(): void {
      if (!open.delete(stream)) return
      for (const { name } of shares) {
        const left = (counted.get(name) ?? 1) - 1
        if (left === 0) counted.delete(name)
        else counted.set(name, left)
      }
      if (open.size === 0) stopFollowing?.()
      if (open.size === 0) stopFollowing = null
    }

    stream.wants = () => {
      if (isOver) return
      stalledMs = null
      pump()
    }
    stream.once('close', forget)
    open.set(stream, { keep, pump, end })
    say(`retry: ${RETRY_MS}\n${heartbeat(isNamed(from) ? from : null, placeText)}`)
    return stream
  }

  function tellAll(): void {
    forgetPieces()
    for (const { pump } of open.values()) pump()
  }

  return {
    streams: {
      open(request) {
        const full = request.shares.find(({ name, most }) => (counted.get(name) ?? 0) >= most)
        if (full) throw problem(full.code, { ...(full.code === 'server.busy' ? {} : { detail: `At most ${full.most} streams an owner on a node` }), retryAfterSeconds: 10 })
        if (open.size >= config.eventStreamsMax) throw problem('server.busy', { retryAfterSeconds: 10 })
        for (const { name } of request.shares) counted.set(name, (counted.get(name) ?? 0) + 1)
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
