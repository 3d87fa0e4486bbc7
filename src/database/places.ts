// Of several servers the one that takes writes, and of two ways to speak to a server the one that it knows: tried in order when it is first
// needed and whenever the one in use is lost or takes no writes any more.
import pg from 'pg'
import { writabilityOf } from './session.js'

/** One way to one server. */
export interface Place {
  host: string
  port: number
  /** false: in the clear; left out: as the environment says */
  ssl?: pg.ClientConfig['ssl']
}

export interface Places {
  /** The way to take. Rejects with what was wrong with the last one tried. */
  find: () => Promise<Place>
  /** It is of no use any more: the next one to ask looks anew. */
  forget: (place: Place) => void
}

const WITHIN_MS = 1_000

async function tryOne(config: pg.ClientConfig, place: Place, mustWrite: boolean): Promise<void> {
  const client = new pg.Client({ ...config, ...place, connectionTimeoutMillis: WITHIN_MS, query_timeout: WITHIN_MS, application_name: 'gatehouse' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    if (mustWrite && (await writabilityOf(client)).isReadOnly) throw Object.assign(new Error('none of its servers takes writes'), { code: '25006' })
  } finally {
    client.connection.stream.destroy()
  }
}

/** `config` is what all places have in common. */
export function createPlaces(config: pg.ClientConfig, places: readonly Place[]): Places {
  const mustWrite = new Set(places.map(({ host, port }) => `${host} ${port}`)).size > 1
  let finding: Promise<Place> | null = null
  let found: Place | null = null

  async function seek(): Promise<Place> {
    let last: unknown
    for (const place of places) {
      try {
        await tryOne(config, place, mustWrite)
        found = place
        return place
      } catch (error) {
        last = error
      }
    }
    finding = null
    throw last
  }

  return {
    find: () => (finding ??= seek()),
    forget(place) {
      if (place !== found) return
      found = null
      finding = null
    },
  }
}

type Callback = (error?: Error | null) => void
const plain = pg.Client.prototype as unknown as { connect: { call: (client: pg.Client, callback: Callback) => void } }
const READ_ONLY_TRANSACTION = '25006'

/** The same class of connections, which go to the place that was found. */
export function seeking(Client: typeof pg.Client, places: Places): typeof pg.Client {
  class SeekingClient extends Client {}
  SeekingClient.prototype.connect = function connect(this: pg.Client, callback?: Callback) {
    const open = async (): Promise<void> => {
      const place = await places.find()
      // what a client has made of its options by now, and looks at when it connects
      Object.assign(this, place)
      if (place.ssl !== undefined) Object.assign(this.connection, { ssl: place.ssl })
      const forget = (): void => places.forget(place)
      this.connection.on('parameterStatus', ({ parameterName, parameterValue }: { parameterName: string; parameterValue: string }) => {
        if ((parameterName === 'in_hot_standby' || parameterName === 'default_transaction_read_only') && parameterValue === 'on') forget()
      })
      this.connection.on('errorMessage', ({ code }: { code?: string }) => {
        if (code === READ_ONLY_TRANSACTION) forget()
      })
      await new Promise<void>((resolve, reject) => {
        plain.connect.call(this, (error) => {
          if (!error) return resolve()
          forget()
          reject(error)
        })
      })
    }
    const opened = open()
    if (!callback) return opened
    opened.then(() => callback(), callback)
    return undefined
  } as unknown as typeof pg.Client.prototype.connect
  return SeekingClient
}
