// nginx that lets Gatehouse decide each request (auth_request), beside the same nginx that asks a bare Fastify which always says yes.
// What it then serves is a small file. Everything of nginx's lies in a folder that is deleted at the end.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bearer, createApi } from './api.js'
import { ensureRules, HOST, PERMISSION } from './gate.js'
import { freePort } from './gatehouse.js'
import { alternate, compare, startBare } from './measure.js'
import { ask, childOf, type Child } from './processes.js'
import type { BareReady, BareRoute, Load } from './protocol.js'
import type { Bench, Findings } from './rows.js'
import { issueKey, signIn } from './world.js'

const TARGET = 0.7
const PATH = '/reports/42'
const CONTENT = 'what the application behind the gateway answers\n'
const READY_MAX_MS = 5_000

interface Gate {
  port: number
  /** host:port of who decides */
  decider: string
  path: string
}

/** The question of docs/gateways/nginx.conf, word for word where it counts: kept connections, the same headers, the same variables. */
function serverBlock({ port, decider, path }: Gate, folder: string): string {
  return `
  upstream decider_${port} {
    server ${decider};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    server_name _;
    keepalive_requests 1000000000;
    location / {
      auth_request /_gate;
      auth_request_set $auth_subject      $upstream_http_x_auth_subject;
      auth_request_set $auth_type         $upstream_http_x_auth_type;
      auth_request_set $auth_key_id       $upstream_http_x_auth_key_id;
      auth_request_set $auth_organization $upstream_http_x_auth_organization;
      auth_request_set $auth_permissions  $upstream_http_x_auth_permissions;
      auth_request_set $gate_status       $upstream_http_x_auth_status;
      auth_request_set $gate_error        $upstream_http_x_auth_error;
      auth_request_set $gate_limit        $upstream_http_ratelimit;
      auth_request_set $gate_limit_policy $upstream_http_ratelimit_policy;
      add_header RateLimit        $gate_limit        always;
      add_header RateLimit-Policy $gate_limit_policy always;
      root ${folder}/www;
      default_type text/plain;
    }
    location = /_gate {
      internal;
      proxy_http_version 1.1;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Connection "";
      proxy_set_header Upgrade "";
      proxy_set_header Expect "";
      proxy_set_header Host gatehouse;
      proxy_set_header X-Original-Method  $request_method;
      proxy_set_header X-Original-URI     $request_uri;
      proxy_set_header X-Original-Host    $host:$server_port;
      proxy_set_header X-Original-Proto   $scheme;
      proxy_set_header X-Original-Address $remote_addr;
      proxy_connect_timeout 1s;
      proxy_read_timeout 5s;
      proxy_buffer_size 16k;
      proxy_buffers 4 16k;
      proxy_pass http://decider_${port}${path};
    }
  }`
}

function configOf(gates: readonly Gate[], folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')
  // a worker that root starts would become nobody, who may not read the folder
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return `${user}daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  underscores_in_headers off;
  open_file_cache max=10;
${temporary}
${gates.map((gate) => serverBlock(gate, folder)).join('')}
}
`
}

function isInstalled(): boolean {
  return spawnSync('nginx', ['-v'], { stdio: 'ignore' }).status === 0
}

async function untilItListens(nginx: Child, origins: readonly string[]): Promise<void> {
  const deadlineMs = performance.now() + READY_MAX_MS
  for (const origin of origins) {
    while (await createApi(origin).send(PATH).then(() => false, () => true)) {
      if (nginx.process.exitCode !== null || performance.now() > deadlineMs) throw new Error(`nginx did not start:\n${nginx.said()}`)
      await delay(20)
    }
  }
}

async function startNginx(prefix: readonly string[], gates: readonly Gate[], folder: string): Promise<Child> {
  mkdirSync(join(folder, 'www', 'reports'), { recursive: true })
  writeFileSync(join(folder, 'www', PATH), CONTENT)
  writeFileSync(join(folder, 'nginx.conf'), configOf(gates, folder))
  const [command, ...args] = [...prefix, 'nginx']
  const process = spawn(command ?? 'nginx', [...args, '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const nginx = childOf(process)
  await Promise.race([once(process, 'spawn'), once(process, 'error')])
  await untilItListens(nginx, gates.map(({ port }) => `http://127.0.0.1:${port}`))
  return nginx
}

async function check(origin: string, headers: Record<string, string>, wanted: number): Promise<void> {
  const { status, text } = await createApi(origin).send(PATH, { headers })
  if (status !== wanted || (status === 200 && text !== CONTENT)) throw new Error(`nginx answered ${status}, not ${wanted}: ${text.slice(0, 300)}`)
}

async function run({ world, generator, options, placement }: Bench, bare: Child, folder: string): Promise<Findings> {
  const { accessToken } = await signIn(world)
  await ensureRules(world.api, accessToken)
  const { key } = await issueKey(world, accessToken, { name: 'bench nginx', permissions: [PERMISSION] })
  const yes: BareRoute = { method: 'GET', path: '/gate', schema: { response: {} }, answer: null, status: 204, passwordHash: null }
  const { origin } = await ask<BareReady>(bare, yes)
  const ours: Gate = { port: await freePort(), decider: new URL(world.api.originOf('/gate/nginx')).host, path: '/gate/nginx' }
  const theirs: Gate = { port: await freePort(), decider: new URL(origin).host, path: yes.path }
  // the bare server has no such path, and nginx makes 500 of that: it does ask
  const nowhere: Gate = { ...theirs, port: await freePort(), path: '/nowhere' }
  const nginx = await startNginx(placement.server, [ours, theirs, nowhere], folder)
  try {
    // the Host is what the rules go by, and no client of Node's may set it
    const headers = { ...bearer(key), host: HOST }
    const load = ({ port }: Gate): Load => ({
      url: `http://127.0.0.1:${port}${PATH}`, method: 'GET', headers, bodies: [], connections: world.connections, seconds: world.seconds,
      markers: [CONTENT], length: CONTENT.length, slack: 0,
    })
    await check(`http://127.0.0.1:${ours.port}`, {}, 403)
    await check(`http://127.0.0.1:${theirs.port}`, {}, 200)
    await check(`http://127.0.0.1:${nowhere.port}`, {}, 500)
    const [gatehouse, other] = await alternate(generator, options.rounds, [{ who: 'nginx with Gatehouse', load: load(ours) }, { who: 'nginx with the bare server', load: load(theirs) }] as const)
    return { compared: [{
      label: 'nginx auth_request to Gatehouse : to a bare Fastify 204', target: TARGET,
      measured: compare(gatehouse, other),
    }] }
  } finally {
    await nginx.stop()
  }
}

export async function measureNginx(bench: Bench): Promise<Findings> {
  if (!isInstalled()) return { skipped: 'nginx is not installed (no nginx in PATH)' }
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-nginx-'))
  const bare = startBare(bench.placement)
  try {
    return await run(bench, bare, folder)
  } finally {
    await bare.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
