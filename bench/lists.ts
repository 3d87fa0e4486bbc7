// The first page of users beside the same page written by hand with Fastify and pg, and with Prisma's findMany, all on one database; and
// beside a page that lies deep, which must cost what the first one costs.
import { createApi } from './api.js'
import { NODE_FLAGS } from './environment.js'
import { alternate, compare, type Figures, loadFor, sample, type Side } from './measure.js'
import { ask, type Child, startChild } from './processes.js'
import type { BareReady, ListRoute } from './protocol.js'
import type { Bench, Findings } from './rows.js'
import { preparePage } from './scenarios.js'
import { type OpenApi, schemasOf } from './schemas.js'
import { databaseUrlOf } from './stores.js'

const PATH = '/api/v1/users'
const DEEP_PAGE = 10_000
const PG_TARGET = 0.8
const PRISMA_TARGET = 3
// a rate differs from run to run; below it, depth costs something
const DEEP_TARGET = 0.9
const P99_TARGET_MS = 60

function row(label: string, one: Figures, beside: Figures, target: number) {
  return { label, target, measured: compare(one, beside) }
}

async function measureBeside(bench: Bench, children: readonly [Child, Child]): Promise<Findings> {
  const { world, config, generator, options } = bench
  const { api } = world
  const document = await api.json<OpenApi>('/openapi.json')
  const [first, deep] = [await preparePage(world, 1), await preparePage(world, DEEP_PAGE)]
  const route = { databaseUrl: databaseUrlOf(config.databaseUrl), poolMax: config.databasePoolMax, path: PATH, schema: schemasOf(document, 'GET', PATH) }
  const origins: string[] = []
  for (const [at, by] of (['pg', 'prisma'] as const).entries()) {
    const child = children[at]
    if (child) origins.push((await ask<BareReady>(child, { by, ...route } satisfies ListRoute)).origin)
  }
  const text = await sample(api, first)
  // the cursors of the others are shorter, for they are not signed
  const other = async (who: string, origin = ''): Promise<Side> => ({ who, load: loadFor(origin, first, await sample(createApi(origin), first)) })
  const [ours, byPg, byPrisma, deeper] = await alternate(generator, options.rounds, [
    { who: 'Gatehouse', load: loadFor(api.origin, first, text) }, await other('the route on pg', origins[0]), await other('the route on Prisma', origins[1]),
    { who: 'Gatehouse, deep', load: loadFor(api.origin, deep, await sample(api, deep)) },
  ] as const)
  return {
    compared: [
      row(`${first.label} : by hand, Fastify and pg`, ours, byPg, PG_TARGET),
      row(`${first.label} : Prisma findMany`, ours, byPrisma, PRISMA_TARGET),
      row(`${deep.label} : page 1`, deeper, ours, DEEP_TARGET),
    ],
    figures: [{ label: `${first.label}, ${options.connections} connections: p99`, value: ours.p99Ms, unit: 'ms', digits: 1, target: P99_TARGET_MS }],
  }
}

export async function measureLists(bench: Bench): Promise<Findings> {
  const start = (): Child => startChild('list-server.js', bench.placement.server, { ...process.env, NODE_ENV: 'production' }, { ipc: true, nodeFlags: NODE_FLAGS })
  const children = [start(), start()] as const
  try {
    return await measureBeside(bench, children)
  } finally {
    for (const child of children) await child.stop()
  }
}
