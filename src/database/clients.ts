// What a connection does differently behind a pooler that gives each transaction another session: the one place where statements lose
// their names and transactions get their settings, so that no store has to know.
import type pg from 'pg'
import { InstantClient } from './instants.js'
import { type Places, seeking } from './places.js'
import type { Pooling } from './pooling.js'
import { IN_EACH_TRANSACTION } from './session.js'

const BEGIN = /^BEGIN\b[^;]*$/

const sent = InstantClient.prototype as unknown as { query: { apply: (client: pg.Client, args: unknown[]) => unknown } }

/** The text that begins a transaction, with what is to hold in it; any other text as it is. One message, one round trip. */
function withSettings(text: string): string {
  if (!BEGIN.test(text)) return text
  return `${text === 'BEGIN' ? 'BEGIN ISOLATION LEVEL READ COMMITTED' : text}; ${IN_EACH_TRANSACTION}`
}

function rewriting(rewrite: (query: { name?: unknown; text?: unknown }) => object, rewriteText: (text: string) => string): typeof pg.Client {
  class RewritingClient extends InstantClient {}
  RewritingClient.prototype.query = function query(this: pg.Client, ...args: unknown[]) {
    const [config, ...rest] = args
    if (typeof config === 'string') return sent.query.apply(this, [rewriteText(config), ...rest])
    if (typeof config !== 'object' || config === null || 'submit' in config) return sent.query.apply(this, args)
    return sent.query.apply(this, [rewrite(config), ...rest])
  } as unknown as typeof pg.Client.prototype.query
  return RewritingClient
}

/** The class of connections for what stands in front of the database, and for which of its servers is to be found. */
export function clientFor(pooling: Pooling, places?: Places): typeof pg.Client {
  const Client = speaking(pooling)
  return places ? seeking(Client, places) : Client
}

function speaking({ isShared, prepares }: Pooling): typeof pg.Client {
  if (!isShared && prepares) return InstantClient
  const begin = isShared ? withSettings : (text: string): string => text
  return rewriting(({ name, text, ...others }) => ({
    ...others, ...(prepares ? { name } : {}), text: typeof text === 'string' ? begin(text) : text,
  }), begin)
}
