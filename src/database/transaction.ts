// The types of a transaction, for services: they pass it on to stores and never look inside.
import type { Prisma } from './generated/client.js'

export type Tx = Prisma.TransactionClient
export type Transact = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>
