// A connection to exactly what was judged: the name is resolved once, every address it has is judged, and the socket goes to one of those. Nothing
// resolves it a second time, so that a name which answers differently the next moment (DNS rebinding) gains nothing.
import { isIPv6, type LookupFunction } from 'node:net'
import { BulkheadRejectedError } from 'cockatiel'
import { buildConnector } from 'undici'
import { type AddressVerdict, plainAddress } from './address-rules.js'
import { within } from './deadline.js'
import type { Lookup } from './name-lookup.js'
import { OutboundError } from './outbound-error.js'
import { requireAllowed, targetOf } from './target-rules.js'

export interface PinnedConnectionDeps {
  find: Lookup
  judge: (address: string) => AddressVerdict
  lookupTimeoutMs: number
  connectTimeoutMs: number
}

const MOST_ADDRESSES = 16

/** Given to the socket in place of a resolver. */
function pinned(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  return (_name, options, done) => {
    const [first] = all
    if (options.all === true || !first) done(null, all)
    else done(null, first.address, first.family)
  }
}

/** For undici: opens sockets to judged addresses only. */
export function createPinnedConnector({ find: look, judge, lookupTimeoutMs, connectTimeoutMs }: PinnedConnectionDeps): buildConnector.connector {
  async function find(name: string): Promise<string[]> {
    try {
      const found = await within(lookupTimeoutMs, () => look(name))
      // what cannot be read is kept, and judged for what it is
      return found.map(({ address }) => plainAddress(address) ?? address).slice(0, MOST_ADDRESSES)
    } catch (error) {
      if (error instanceof OutboundError) throw error
      throw new OutboundError('unreachable', error instanceof BulkheadRejectedError ? 'too many names are being looked up' : 'the name cannot be resolved', { cause: error })
    }
  }

  async function addressesFor(origin: string): Promise<string[]> {
    const target = targetOf(origin)
    const addresses = target.address === null ? await find(target.host) : [target.address]
    if (addresses.length === 0) throw new OutboundError('unreachable', 'the name has no address')
    // one of them that may not be asked is enough: a name that mixes them means no good
    for (const address of addresses) requireAllowed(target, judge(address))
    return addresses
  }

  async function open(options: buildConnector.Options): Promise<Parameters<buildConnector.Callback>> {
    const port = options.port === '' ? '' : `:${options.port}`
    const addresses = await addressesFor(`${options.protocol}//${options.hostname}${port}`)
    const connect = buildConnector({ lookup: pinned(addresses), timeout: connectTimeoutMs, autoSelectFamily: true })
    const connected = await new Promise<Parameters<buildConnector.Callback>>((resolve) => connect(options, (...all) => resolve(all)))
    const [, socket] = connected
    const peer = socket?.remoteAddress === undefined ? null : plainAddress(socket.remoteAddress)
    if (!socket || (peer !== null && addresses.includes(peer))) return connected
    socket.destroy()
    throw new OutboundError('refused', 'the connection went elsewhere')
  }

  return (options, callback) => {
    open(options).then((connected) => callback(...connected), (error: unknown) => callback(error instanceof Error ? error : new Error('the connection failed', { cause: error }), null))
  }
}
