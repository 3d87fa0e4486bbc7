// Leaves the PostgreSQL that the measured Gatehouse runs on as it was.
import pg from 'pg'
import { SCHEMA } from './peer.mjs'

/** Removes what the peers left. */
export async function dropSchema(connection) {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    await client.query(`SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  } finally {
    await client.end()
  }
}
