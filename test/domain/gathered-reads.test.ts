// Reads that are put to the database together: who is in which statement, and what becomes of those who wait.
import t from 'tap'
import { gatherReads } from '../../src/decisions/gathered-reads.js'

interface Asked {
  names: readonly string[]
  answer: (found?: readonly (string | null)[]) => void
  fail: (error: Error) => void
}

function house(limits = { atOnce: 2, most: 3, waiting: 5 }) {
  const asked: Asked[] = []
  const ask = async (names: readonly string[]): Promise<readonly (string | null)[]> => new Promise((resolve, reject) => {
    asked.push({ names, answer: (found = names.map((name) => name.toUpperCase())) => resolve(found), fail: reject })
  })
  const read = gatherReads<string, string>({ readOne: async (name) => (await ask([name]))[0] ?? null, readMany: ask, ...limits })
  return { asked, read, names: () => asked.map((one) => one.names.join('')) }
}
const outcome = async (read: Promise<string | null>): Promise<string | null> => read.catch((error: Error & { code?: string }) => error.code ?? error.message)

t.test('who comes first is read at once, who comes then together, in order and in parts', async (t) => {
  const { asked, read, names } = house()
  const reads = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(async (name) => read(name))
  t.same(names(), ['a', 'b'], 'no more than two at a time')
  asked[0]?.answer()
  t.equal(await reads[0], 'A')
  t.same(names(), ['a', 'b', 'cde'], 'the next takes what fits')
  asked[1]?.answer()
  await reads[1]
  t.same(names(), ['a', 'b', 'cde', 'fg'])
  asked[3]?.answer(['F', null])
  asked[2]?.answer()
  t.same(await Promise.all(reads), ['A', 'B', 'C', 'D', 'E', 'F', null])
  const late = read('h')
  t.same(names().at(-1), 'h', 'and all is as it was')
  asked.at(-1)?.answer()
  t.equal(await late, 'H')
})

t.test('what a statement throws reaches all who are in it, and nobody else', async (t) => {
  const { asked, read } = house()
  const reads = ['a', 'b', 'c', 'd'].map(async (name) => outcome(read(name)))
  asked[0]?.fail(new Error('lost'))
  t.equal(await reads[0], 'lost')
  asked[2]?.fail(new Error('gone'))
  asked[1]?.answer()
  t.same(await Promise.all(reads), ['lost', 'B', 'gone', 'gone'])
})

t.test('no more wait than may, and the others are read all the same', async (t) => {
  const { asked, read } = house()
  const reads = 'abcdefghi'.split('').map(async (name) => outcome(read(name)))
  t.same(await Promise.all(reads.slice(7)), ['database.unavailable', 'database.unavailable'])
  asked[0]?.answer()
  await reads[0]
  asked[2]?.answer()
  await reads[2]
  for (const one of asked) one.answer()
  t.same(await Promise.all(reads.slice(0, 7)), 'ABCDEFG'.split(''))
})
