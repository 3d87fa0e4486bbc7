// The types of a transaction, for services: they pass it on to stores and never look inside.
import type { Prisma } from './generated/client.js'

export type Tx = Prisma.TransactionClient
export type Transact = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>

/** A condition or a piece of a statement that belongs to another store. */
export type Piece = Prisma.Sql

/** Writes that go along with another store's, in its statement: by name, made when the rows of `when` (a name of that statement) are there. */
export type Along = (when: Piece) => Record<string, Piece>
