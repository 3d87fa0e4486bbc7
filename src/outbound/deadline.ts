// A time after which nobody waits any more, whatever it is that does not end.
import { after } from '../kernel/timers.js'
import { OutboundError } from './outbound-error.js'

/** What `work` comes to, if it does within `ms`; its signal is aborted when it does not. Throws OutboundError('late'). */
export async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController()
  let cancel: (() => void) | undefined
  const late = new Promise<never>((_, reject) => {
    cancel = after(ms, () => {
      reject(new OutboundError('late', 'no answer in time'))
      over.abort()
    })
  })
  try {
    return await Promise.race([work(over.signal), late])
  } finally {
    cancel?.()
  }
}
