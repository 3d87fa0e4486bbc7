// Why a request of ours came to nothing. Its text is for the log and for administrators: it names no address that was found, so that nobody
// learns by it what lies behind this machine.

export type OutboundFailure =
  | 'refused' // it may not be asked at all
  | 'unreachable' // no name, no connection, a broken one, no TLS
  | 'late'
  | 'redirected'
  | 'too_large'
  | 'unreadable' // another content type than asked for, a coding that is not understood

export class OutboundError extends Error {
  readonly reason: OutboundFailure

  constructor(reason: OutboundFailure, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'OutboundError'
    this.reason = reason
  }
}
