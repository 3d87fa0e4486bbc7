// What of the events somebody is told, in which form, and where they go on. Pure.
import { problem } from '../kernel/errors.js'
import { holds } from '../kernel/permissions.js'
import { entryOf, EVENT_TYPES } from './event-catalogue.js'

/** Opens the events; which of them, the permissions of their subjects say. */
export const READ_EVENTS = 'gatehouse:events.read'

export interface EventRow {
  position: number
  id: string
  at: Date
  type: string
  subjectType: string
  subjectId: string
  actorType: string
  actorId: string
  requestId: string
  details: Record<string, unknown>
}

/** An event as it is read, with what it is about. */
export interface PlacedRow extends EventRow {
  /** that it is about, or whose key or client; null: none's */
  organizationId: string | null
}

/** An event as it is told, by whichever way. */
export interface EventView {
  id: string
  type: string
  at: string
  subject: { type: string; id: string }
  actor: { type: string; id: string }
  requestId: string
  data: Record<string, unknown>
}

/** A place between two events: after the one with this position. */
export interface Point {
  position: number
  /** the end of that event's id, by which a place in another history (a restored backup) is told from this one; '' at the beginning */
  tail: string
}

export interface EventFilter {
  /** exact, or `key.*`; none: all */
  types: readonly string[]
  /** the subject's id; null: anybody's */
  subject: string | null
}

const TAIL = 12
export const BEGINNING: Point = Object.freeze({ position: 0, tail: '' })

/** The place after an event. */
export function pointAfter({ position, id }: Pick<EventRow, 'position' | 'id'>): Point {
  return position === 0 ? BEGINNING : { position, tail: id.slice(-TAIL) }
}

/** Is it one that can be told? The place before the first event that is kept has no event to be known by. */
export function isNamed({ position, tail }: Point): boolean {
  return position === 0 || tail !== ''
}

export function pointText({ position, tail }: Point): string {
  return position === 0 ? '0' : `${position}-${tail}`
}

/** How a place is written for its readers. */
export type PlaceText = (point: Point) => string

/** Reads what pointText wrote. Throws cursor.invalid. */
export function readPoint(text: string): Point {
  if (text === '0') return BEGINNING
  const [, position = '', tail = ''] = /^([1-9]\d{0,14})-([0-9a-f]{12})$/.exec(text) ?? []
  if (position === '') throw problem('cursor.invalid')
  return { position: Number(position), tail }
}

/** Reads `key.revoked,user.*`. Throws request.invalid where a part names no event. */
export function readTypes(text: string | undefined): string[] {
  const types = text === undefined ? [] : [...new Set(text.split(','))]
  for (const type of types) {
    if (!EVENT_TYPES.some((one) => isOf(one, type))) throw problem('request.invalid', { errors: [{ path: 'types', message: `${type.slice(0, 100)} is no event: see docs/events.md` }] })
  }
  return types.toSorted()
}

function isOf(type: string, wanted: string): boolean {
  return type === wanted || (wanted.endsWith('.*') && type.startsWith(wanted.slice(0, -1)))
}

/** Those that are meant: all, where none is named. */
export function typesOf(wanted: readonly string[]): string[] {
  return EVENT_TYPES.filter((type) => wanted.length === 0 || wanted.some((one) => isOf(type, one)))
}

/** What of the events is told to an organization's people, by whichever way: all kinds of them, as far as they are about it. */
export function selectionOf(organizationId: string, { types, subject }: EventFilter): { types: string[]; subject: string | null; organizationId: string } {
  return { types: typesOf(types), subject, organizationId }
}

/** Those of the filter's types that somebody with these permissions may be told of. */
export function typesFor({ types }: Pick<EventFilter, 'types'>, permissions: readonly string[]): string[] {
  if (!holds(permissions, READ_EVENTS)) return []
  return typesOf(types).filter((type) => holds(permissions, entryOf(type)?.needs ?? READ_EVENTS))
}

/** What is told of an event: of its details only what the catalogue names. */
export function viewOf({ id, type, at, subjectType, subjectId, actorType, actorId, requestId, details }: EventRow): EventView {
  const told = entryOf(type)?.data ?? []
  const data = Object.fromEntries(told.flatMap((name) => (details[name] === undefined ? [] : [[name, details[name]]])))
  return { id, type, at: at.toISOString(), subject: { type: subjectType, id: subjectId }, actor: { type: actorType, id: actorId }, requestId, data }
}

/** An event as a message of text/event-stream, with its place as its readers are told it. */
export function messageOf(row: EventRow, placeText: PlaceText): string {
  return `id: ${placeText(pointAfter(row))}\nevent: ${row.type}\ndata: ${JSON.stringify(viewOf(row))}\n\n`
}

/** A message that says nothing but the place: the client keeps it for when it comes again. */
export function heartbeat(point: Point | null, placeText: PlaceText): string {
  return `: still here\n${point === null ? '' : `id: ${placeText(point)}\n`}\n`
}
