// What is handed out beside the program: its licence, the image's recipe, the unit of systemd, the lock file.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { dockerStages, finalStage, ROOT } from '../support/dockerfile.js'

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Locked {
  version?: string
  integrity?: string
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
}

t.test('the licence is the whole Apache License 2.0, and the package says so', async (t) => {
  const text = read('LICENSE')
  for (const part of ['Version 2.0, January 2004', '1. Definitions.', '9. Accepting Warranty or Additional Liability.', 'END OF TERMS AND CONDITIONS']) t.ok(text.includes(part), part)
  t.equal((JSON.parse(read('package.json')) as { license: string }).license, 'Apache-2.0')
})

t.test('commands and files that the guides name exist', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  for (const guide of ['CONTRIBUTING.md', 'SECURITY.md']) {
    for (const [, name = ''] of read(guide).matchAll(/npm run ([\w:]+)/g)) t.ok(name in scripts, `${guide}: npm run ${name}`)
    for (const [, path = ''] of read(guide).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) t.ok(existsSync(join(ROOT, path)), `${guide}: ${path}`)
    for (const [, path = ''] of read(guide).matchAll(/node (scripts\/\S+\.mjs)/g)) t.ok(existsSync(join(ROOT, path)), `${guide}: ${path}`)
  }
})

t.test('the image and the unit start Node as npm start does', async (t) => {
  const flags = (JSON.parse(read('package.json')) as { scripts: { start: string } }).scripts.start.match(/--\S+/g) ?? []
  t.ok(flags.length > 0)
  t.match(read('Dockerfile'), ['node', ...flags].map((one) => `"${one}"`).join(', '))
  t.match(read('deploy/gatehouse.service'), `node ${flags.join(' ')} `)
})

t.test('the lock file pins every package by its content; only what another platform alone installs may lack that', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
  const isElsewhere = ({ optional, os = ['linux'], cpu = ['x64'], libc = ['glibc'] }: Locked): boolean =>
    optional === true && !(os.includes('linux') && cpu.includes('x64') && libc.includes('glibc'))
  const loose = Object.entries(packages).filter(([path, one]) => path !== '' && one.integrity === undefined && !isElsewhere(one)).map(([path]) => path)
  t.same(loose, [])
  t.ok(Object.keys(packages).length > 100)
})

t.test('the image is built in one stage and runs in another, as nobody special, with what it needs and no more', async (t) => {
  const stages = dockerStages()
  t.equal(stages.length, 2)
  t.match(stages[0]?.from, / AS build$/)
  for (const { from, steps } of stages) {
    t.match(from, /^node:\d+-[a-z]+-slim/, 'a base with a version')
    for (const { op, args } of steps) {
      t.notMatch(op, /^(ADD|MAINTAINER|ONBUILD)$/)
      t.notMatch(args, /curl|wget|apt-get|SECRET|PASSWORD/)
      if (op === 'COPY' && !args.startsWith('--from')) for (const path of args.split(' ').slice(0, -1)) t.ok(existsSync(join(ROOT, path)), `${path} is there to be copied`)
    }
  }
  const { user, copies, volumes, health, variables } = finalStage()
  t.notMatch(user, /^(root|0)/)
  t.same(copies.map(([from]) => from), ['package.json', 'node_modules', 'prisma/migrations', 'scripts', 'dist'])
  t.same(volumes, ['/data'])
  t.equal(variables['HOST'], '0.0.0.0')
  t.ok(health.length > 0)
  const ignored = read('.dockerignore').split('\n')
  for (const path of ['.env*', '.git', 'data', 'node_modules']) t.ok(ignored.includes(path), `${path} stays out of the build`)
})

t.test('the unit gives the program time to drain, one folder to write, and no power', async (t) => {
  const unit = read('deploy/gatehouse.service')
  for (const line of ['NoNewPrivileges=yes', 'CapabilityBoundingSet=', 'ProtectSystem=strict', 'ProtectHome=yes', 'PrivateTmp=yes', 'StateDirectory=gatehouse', 'UMask=0077', 'User=gatehouse', 'KillMode=mixed']) {
    t.ok(unit.split('\n').includes(line), line)
  }
  t.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) >= 15, 'DRAIN_SECONDS and ten more')
  const verified = spawnSync('systemd-analyze', ['verify', join(ROOT, 'deploy/gatehouse.service')], { encoding: 'utf8' })
  if (verified.error) t.comment('no systemd-analyze here')
  else t.same([verified.status, verified.stderr], [0, ''])
})
