// What all peers share: they are told their stores over IPC, make their own users, keys and tokens, and answer with their
// address and the requests to send. Tables lie in a schema that is made anew each time.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

export const SCHEMA = 'gatehouse_peers'

export function versionOf(name) {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'node_modules', name, 'package.json'), 'utf8')).version
}

/**
 * A pool like Gatehouse's own, on an empty schema. Commits do not wait for the disk: Gatehouse's counters and usage do not
 * either, and a peer that writes at every request is not to be measured by its disk.
 */
export async function openPool({ connection, poolMax }) {
  const options = `-c search_path=${SCHEMA} -c TimeZone=UTC -c synchronous_commit=off`
  const pool = new pg.Pool({ ...connection, max: poolMax, options, application_name: 'gatehouse-peer' })
  await pool.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  await pool.query(`CREATE SCHEMA ${SCHEMA}`)
  return pool
}

/** Runs `start` with what the benchmark sends, and answers with what it gives; a failure is printed and ends the process. */
export function serve(start) {
  process.on('message', async (world) => {
    try {
      process.send(await start(world))
    } catch (error) {
      console.error(error)
      process.exit(1)
    }
  })
  process.on('disconnect', () => process.exit(0))
}
