// Who acts when a command of the host does: nobody in person; the audit log says `host`.
import type { Caller } from '../kernel/principal.js'

export const HOST: Caller = { principal: null, host: true, address: '', userAgent: '', requestId: 'host' }
