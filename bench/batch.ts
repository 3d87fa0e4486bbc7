// POST /keys/verify/batch, a hundred questions a request, beside single questions in the same rounds. Counted in decisions.
import { alternate, compare, type Figures, loadFor, sample } from './measure.js'
import type { Load } from './protocol.js'
import type { Bench, Findings } from './rows.js'
import { prepareVerify } from './scenarios.js'
import { issueKey, type Prepared, signIn } from './world.js'

const QUESTIONS = 100
const TARGET = 5
// every answer's `remaining` and `resetSeconds` may lose or win digits
const SLACK_A_QUESTION = 12

interface Question {
  key: string
  permissions: string[]
}

function decisionsOf(figures: Figures): Figures {
  return { ...figures, requestsPerSecond: figures.requestsPerSecond * QUESTIONS }
}

async function loadOf({ world }: Bench, single: Prepared, questions: readonly Question[]): Promise<Load> {
  const markers = ['"valid":true,"code":"valid"', '"remaining":']
  const batch: Prepared = { ...single, path: '/api/v1/keys/verify/batch', bodies: [JSON.stringify({ requests: questions })], markers }
  const text = await sample(world.api, batch)
  const valid = text.split('"valid":true').length - 1
  if (valid !== QUESTIONS) throw new Error(`POST /keys/verify/batch answered ${valid} of ${QUESTIONS} questions with valid`)
  return { ...loadFor(world.api.originOf(batch.path), batch, text), times: QUESTIONS, slack: SLACK_A_QUESTION * QUESTIONS }
}

export async function measureBatch(bench: Bench): Promise<Findings> {
  const { world, generator, options, serverPid: pid } = bench
  const single = await prepareVerify(world)
  const question = JSON.parse(single.bodies[0] ?? '') as Question
  const { accessToken } = await signIn(world)
  const distinct: Question[] = []
  for (let at = 0; at < QUESTIONS; at += 1) {
    const limits = [{ name: 'calls', quota: 1_000_000_000, windowSeconds: 60 }]
    const { key } = await issueKey(world, accessToken, { name: `bench batch ${at + 1}`, permissions: question.permissions, limits, metadata: { plan: 'free' } })
    distinct.push({ ...question, key })
  }
  const [alone, one, many] = await alternate(generator, options.rounds, [
    { who: 'POST /keys/verify', load: loadFor(world.api.originOf(single.path), single, await sample(world.api, single)), pid },
    { who: 'a batch about one key', load: await loadOf(bench, single, distinct.map(() => question)), pid },
    { who: 'a batch about many keys', load: await loadOf(bench, single, distinct), pid },
  ] as const)
  const row = (label: string, figures: Figures) => {
    const { ratio, coreRatio } = compare(figures, alone)
    return { label, target: TARGET, measured: { gatehouse: decisionsOf(figures), bare: alone, ratio: ratio * QUESTIONS, coreRatio: coreRatio == null ? null : coreRatio * QUESTIONS } }
  }
  return { compared: [
    row(`verify/batch, ${QUESTIONS} questions, one key : verify (decisions)`, one),
    row(`verify/batch, ${QUESTIONS} questions, ${QUESTIONS} keys : verify (decisions)`, many),
  ] }
}
