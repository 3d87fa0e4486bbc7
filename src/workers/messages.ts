// What a supervisor and its workers say to each other. A worker is the whole program, on a core of its own.
import cluster from 'node:cluster'

/** From a worker: it listens. To a worker: leave without haste, others of this node go on. */
export type Signal = { gatehouse: 'up' } | { gatehouse: 'leave' }
/** The numbers of one process, as prom-client adds them up. */
export type Numbers = object[]
/** A worker asks for the numbers of all; each is asked for its own; the answer goes back the same way. */
export type Question =
  | { gatehouse: 'all-numbers'; id: number }
  | { gatehouse: 'own-numbers'; id: string }
  | { gatehouse: 'own-numbers-are'; id: string; numbers: Numbers }
  | { gatehouse: 'all-numbers-are'; id: number; numbers: Numbers[] }

export type Message = Signal | Question

/** Is this one of our messages, and not one of node:cluster's own? */
export function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'gatehouse' in message
}

/** Is this process one of several that make up a node? */
export const isWorker = (): boolean => cluster.isWorker

/** Of the first worker alone: what is said once for all of them. */
export const isFirstWorker = (): boolean => cluster.worker?.id === 1

/** To the supervisor; nothing without one. */
export function tellSupervisor(message: Message): void {
  if (cluster.isWorker) process.send?.(message)
}

/** Calls back for each message of the supervisor. */
export function onSupervisor(listener: (message: Message) => void): void {
  if (cluster.isWorker) process.on('message', (message: unknown) => { if (isMessage(message)) listener(message) })
}
