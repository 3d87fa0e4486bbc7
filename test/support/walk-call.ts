// Run by test/flows/walk.test.ts in its copy of the sources: boots the app with the feature of the walk, calls it, and prints what came of it.
import { startApp } from './app.js'

interface Document {
  paths: Record<string, { get?: { operationId?: string } } | undefined>
}

const teardowns: (() => unknown)[] = []
const { app, as } = await startApp({ teardown: (work) => teardowns.push(work) })
const call = (headers: Record<string, string> = {}) => app.inject({ url: '/api/v1/greetings?name=Ada', headers })
const stranger = (await call()).statusCode
const member = (await call((await as.signUp()).headers)).json<unknown>()
const document = (await app.inject('/openapi.json')).json<Document>()
const operation = Object.entries(document.paths).find(([path]) => path.startsWith('/api/v1/greetings'))?.[1]?.get
const shown = (await app.telemetry.text()).includes('gatehouse_greetings 1')
for (const work of teardowns.toReversed()) await work()
console.log(JSON.stringify({ stranger, member, documented: operation?.operationId, shown }))
