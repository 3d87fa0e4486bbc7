// What this machine allows: beside the bare route and Gatehouse a Fastify route that does the least that anybody who checks a key must do (its hash, a look-up, one
// counter, the same headers of the answer), with nothing that one may change, revoke or be told of. What it misses of the bare route, no program can win back.
import { alternate, compare, loadFor, openBare, sample, startBare } from './measure.js'
import type { Row } from './report.js'
import type { Bench, Findings } from './rows.js'
import { SCENARIOS } from './scenarios.js'
import type { OpenApi } from './schemas.js'

const ROWS = ['whoami-key', 'gate']
// the server's own, of each answer anew
const OF_NODE = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'content-type'])

export async function measureFloors({ world, placement, generator, options, serverPid }: Bench): Promise<Findings> {
  const document = await world.api.json<OpenApi>('/openapi.json')
  const compared: Omit<Row, 'name' | 'failure'>[] = []
  for (const { name, prepare, target } of SCENARIOS.filter((scenario) => ROWS.includes(scenario.name))) {
    const prepared = await prepare(world)
    const text = await sample(world.api, prepared)
    const { method, path, headers } = prepared
    const given = await world.api.send(path, { method, headers })
    const [bare, least] = [startBare(placement), startBare(placement)]
    try {
      const origin = await openBare(bare, world.api, document, prepared, text)
      const answered = Object.fromEntries([...given.headers].filter(([header]) => !OF_NODE.has(header)))
      const floored = await openBare(least, world.api, document, prepared, text, { headers: answered, key: headers['authorization']?.slice('Bearer '.length) ?? '' })
      const [gatehouse, floor, other] = await alternate(generator, options.rounds, [
        { who: 'Gatehouse', load: loadFor(world.api.originOf(path), prepared, text), pid: serverPid }, { who: 'the least', load: loadFor(floored, prepared, text), pid: least.process.pid },
        { who: 'the bare server', load: loadFor(origin, prepared, text), pid: bare.process.pid },
      ])
      compared.push(
        { label: `${name}: the least that checks a key : bare`, measured: compare(floor, other) },
        { label: `${name}: Gatehouse : the least that checks a key`, measured: compare(gatehouse, floor) },
        { label: `${name}: Gatehouse : bare, in the same rounds`, target, measured: compare(gatehouse, other) },
      )
    } finally {
      await Promise.all([bare.stop(), least.stop()])
    }
  }
  return { compared }
}
