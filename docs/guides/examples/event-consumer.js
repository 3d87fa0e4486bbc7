// Reads events as they happen, for as long as it runs: keeps its place, comes again after a break, and ends when it is not let in any more.

/** The messages of a text/event-stream, one by one. */
async function* messagesOf(body) {
  let rest = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop()
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').filter((line) => !line.startsWith(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
      yield { ...fields, data: fields.data === undefined ? null : JSON.parse(fields.data) }
    }
  }
}

/**
 * `handle(event)`: what to do with each; `place`: { read, write }, where it is kept how far we are, beside what `handle` does. Resolves when `signal` is aborted.
 * Rejects with the problem when Gatehouse lets us in no more, or does not keep what we missed (`events.expired`).
 */
export async function consumeEvents({ url, key, types, handle, place, signal, waitMs = 2000, fetch: ask = fetch }) {
  while (!signal.aborted) {
    const after = await place.read()
    const headers = { authorization: `Bearer ${key}`, accept: 'text/event-stream', ...(after ? { 'last-event-id': after } : {}) }
    try {
      const answer = await ask(`${url}/api/v1/events?types=${encodeURIComponent(types)}`, { headers, signal })
      // 429 and 5xx pass; anything else would be the same the next time
      if (!answer.ok && answer.status !== 429 && answer.status < 500) throw Object.assign(new Error('not let in'), { problem: await answer.json() })
      if (answer.ok) {
        for await (const { id, event, data } of messagesOf(answer.body)) {
          if (event !== 'end' && data) await handle(data)
          if (id) await place.write(id)
        }
      }
    } catch (error) {
      if (error.problem) throw error
    }
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random())))
  }
}
