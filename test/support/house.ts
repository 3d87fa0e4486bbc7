// The folders of src as they lie on each other, read from the imports. Shared by the laws and by the picture in docs/architecture.md.
import type { Source } from './sources.js'

/** Folders that stand below every feature; their files are imported as they are. */
export const FOUNDATIONS: ReadonlySet<string> = new Set(['kernel', 'workers', 'jobs', 'telemetry', 'database', 'shared-store', 'cluster', 'sockets', 'health'])

/** The folder of src that a path lies in; null for the files of src itself and for what is not src. */
export function folderOf(path: string): string | null {
  const [top, folder, file] = path.split('/')
  return top === 'src' && folder !== undefined && file !== undefined ? folder : null
}

export interface Crossing {
  from: string
  to: string
  /** `a.ts imports b.ts`, one that shows it */
  example: string
}

/** Which folders import which, type-only imports included. */
export function crossingsOf(sources: readonly Source[]): Crossing[] {
  const found = new Map<string, Crossing>()
  for (const { path, imports } of sources) {
    const from = folderOf(path)
    if (from === null) continue
    for (const { file } of imports) {
      const to = file === null ? null : folderOf(file)
      if (to === null || to === from) continue
      if (!found.has(`${from} ${to}`)) found.set(`${from} ${to}`, { from, to, example: `${path} imports ${file}` })
    }
  }
  return [...found.values()]
}

/** The folders in floors, the lowest first: each imports only folders of floors below its own. What is left over lies in circles. */
export function floorsOf(folders: readonly string[], crossings: readonly Crossing[]): { floors: string[][]; circular: string[] } {
  const floors: string[][] = []
  let rest = folders.toSorted()
  for (;;) {
    const waiting = new Set(rest)
    const free = rest.filter((folder) => !crossings.some(({ from, to }) => from === folder && waiting.has(to)))
    if (free.length === 0) return { floors, circular: rest }
    floors.push(free)
    rest = rest.filter((folder) => !free.includes(folder))
  }
}

/** The picture of docs/architecture.md: a floor a line, the highest first, and beside each folder what it imports on the floor right below. */
export function pictureOf(sources: readonly Source[]): string {
  const crossings = crossingsOf(sources)
  const folders = [...new Set(sources.flatMap(({ path }) => folderOf(path) ?? []))]
  const { floors } = floorsOf(folders, crossings)
  const lines = floors.map((floor, at) => floor.map((folder) => {
    const below = crossings.filter(({ from, to }) => from === folder && floors[at - 1]?.includes(to)).map(({ to }) => to).toSorted()
    return below.length === 0 ? `    ${at}  ${folder}` : `    ${at}  ${folder.padEnd(14)} on ${below.join(', ')}`
  }).join('\n'))
  return lines.toReversed().join('\n\n')
}
