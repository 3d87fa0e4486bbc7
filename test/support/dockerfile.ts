// Reads the image's recipe as far as ours goes: stages of one-line steps.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Step {
  op: string
  args: string
}

export interface Stage {
  from: string
  steps: Step[]
}

export const ROOT = join(import.meta.dirname, '../..')

/** The stages of ./Dockerfile. Throws for a step before the first FROM. */
export function dockerStages(): Stage[] {
  const stages: Stage[] = []
  for (const line of readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('\n')) {
    const [, op = '', args = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? []
    if (op === '') continue
    const stage = stages.at(-1)
    if (op === 'FROM') stages.push({ from: args, steps: [] })
    else if (stage) stage.steps.push({ op, args })
    else throw new Error(`${line} stands before FROM`)
  }
  return stages
}

/** What the last stage gives the program: files it copies from the build, variables, and the commands to run and to ask. */
export function finalStage() {
  const last = dockerStages().at(-1) ?? { from: '', steps: [] }
  const all = (op: string): string[] => last.steps.filter((step) => step.op === op).map(({ args }) => args)
  const commandOf = (text: string): string[] => JSON.parse(text.slice(text.indexOf('['))) as string[]
  return {
    copies: all('COPY').map((args) => /^--from=build \/app\/(\S+) \.\/(\S+)$/.exec(args)?.slice(1) ?? [args]),
    variables: Object.fromEntries(all('ENV').flatMap((args) => args.split(' ').map((pair) => pair.split('=') as [string, string]))),
    user: all('USER').at(-1) ?? 'root',
    run: commandOf(all('CMD')[0] ?? '[]'),
    health: commandOf(all('HEALTHCHECK')[0] ?? '[]'),
    volumes: all('VOLUME'),
  }
}
