// What may be sent, as tables: JSON that is bounded and kept as it is, text that is compared, times. Properties with fc seeds.
import t from 'tap'
import fc from 'fast-check'
import { MAX_DEPTH, MAX_STRING, MAX_VALUES, readJsonText } from '../../src/kernel/json.js'
import { isExactNumber } from '../../src/kernel/numbers.js'
import { foldedText, plainText } from '../../src/kernel/text.js'
import { isTime } from '../../src/kernel/times.js'

const read = (text: string): unknown => JSON.parse(readJsonText(Buffer.from(text)))
const refusal = (body: string | Buffer): { code: string; path: string } => {
  try {
    readJsonText(Buffer.from(body))
    return { code: 'taken', path: '' }
  } catch (error) {
    const { code, errors } = error as { code: string; errors?: { path: string }[] }
    return { code, path: errors?.[0]?.path ?? '' }
  }
}
const nested = (depth: number, open = '[', close = ']', inner = ''): string => open.repeat(depth) + inner + close.repeat(depth)

t.test('JSON that may be sent', async (t) => {
  t.test('a value comes through as JSON.parse reads it', async (t) => {
    fc.assert(fc.property(fc.json({ maxDepth: 6 }), (text) => {
      fc.pre(!/\d{16}/.test(text)) // it draws from integers that are not kept
      return JSON.stringify(read(text)) === JSON.stringify(JSON.parse(text))
    }), { seed: 11, numRuns: 100 })
    for (const text of ['{"a":"\\"]}[{","b":[1,-0,2.5e-7,"\\\\"]}', '"\\ud83d\\ude00"', '"\\\\ud800"', '"\\\\\\\\u0000"', '[9007199254740991,-9007199254740991,6.02214076e23,1e300,0.1234567890123456789,0e99999]', ' {"a" : 1 }\n']) {
      t.same(read(text), JSON.parse(text), text)
    }
    t.same(read('\ufeff{"a":1}'), { a: 1 }, 'a byte order mark is no part of it')
  })

  t.test('depth, length and number are bounded, and the path is told', async (t) => {
    t.equal(refusal(nested(MAX_DEPTH)).code, 'taken')
    t.equal(refusal(nested(MAX_DEPTH + 1)).code, 'request.invalid')
    t.equal(refusal(nested(MAX_DEPTH + 1, '{"a":', '}', '1')).path, `/${'a/'.repeat(MAX_DEPTH).slice(0, -1)}`)
    for (const depth of [1_900, 5_000, 100_000]) {
      t.equal(refusal(nested(depth)).code, 'request.invalid')
      t.equal(refusal(`{"metadata":{"a":${nested(depth)}}}`).path.startsWith('/metadata/a/0/0'), true)
      t.equal(refusal('['.repeat(depth)).code, 'request.invalid', 'before anything asks whether it closes')
    }
    t.equal(refusal(`{"a":["${'x'.repeat(MAX_STRING - 2)}"]}`).code, 'taken')
    t.same(refusal(`{"a":["${'x'.repeat(MAX_STRING)}"]}`), { code: 'request.invalid', path: '/a/0' })
    t.equal(refusal(`[${'1,'.repeat(MAX_VALUES - 2)}1]`).code, 'taken')
    t.equal(refusal(`[${'1,'.repeat(MAX_VALUES)}1]`).code, 'request.invalid')
  })

  t.test('numbers that JavaScript would change are refused where they stand', async (t) => {
    const changed = ['9007199254740993', '-9007199254740993', '9007199254740992', '18014398509481984', '9007199254740993.0', '9.007199254740993e15', '90071992547409930e-1', '1e400', '-1e400', '1e-400', '1'.repeat(400), '123456789012345678901234567890', `0.${'1'.repeat(200)}`]
    for (const number of changed) {
      t.same(refusal(`{"metadata":{"a/b":[0,{"id": ${number}}]}}`), { code: 'request.invalid', path: '/metadata/a~1b/1/id' }, number.slice(0, 40))
      t.same(refusal(number), { code: 'request.invalid', path: '/' })
    }
    for (const number of ['0', '-0', '9007199254740991', '1e23', '1.5e300', '0.1', '0.30000000000000004', '5e-324', '4503599627370497.5', '0.000', '0e-999', '123456789012345e3']) t.ok(isExactNumber(number), number)
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => isExactNumber(JSON.stringify(value)) || (Number.isInteger(value) && !Number.isSafeInteger(value))), { seed: 3, numRuns: 1000 })
    fc.assert(fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }), (value) => !isExactNumber(String(value)) && !isExactNumber(`-${value}`)), { seed: 3, numRuns: 500 })
  })

  t.test('half a surrogate pair and U+0000 are refused, in names and in values, whichever way they are written', async (t) => {
    for (const half of ['\\ud800', '\\uDFFF', '\\ud83dx', '\\ude00\\ud83d', '\\u0000', 'a\\u0000b']) {
      t.same(refusal(`{"a":["${half}"]}`), { code: 'request.invalid', path: '/a/0' }, half)
      t.same(refusal(`{"a":{"${half}":1}}`), { code: 'request.invalid', path: '/a' }, half)
    }
  })

  t.test('bytes that are not UTF-8 are no text', async (t) => {
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0x80]]) {
      t.equal(refusal(Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')])).code, 'request.malformed', bytes.join(' '))
    }
    t.equal(refusal(Buffer.from('{"a":1}', 'utf16le')).path, '', 'UTF-16 is read as what it is not, and is no JSON')
  })

  t.test('time grows with the length alone', async (t) => {
    const worst = [`"${'\\'.repeat(200_000)}`, '"'.repeat(200_000), `[${'"\\"",'.repeat(30_000)}`, '-'.repeat(100_000), '0'.repeat(200_000), `{"${'\\u0041'.repeat(9_000)}":`, `${'[{"a":'.repeat(10)}"${'\\\\'.repeat(30_000)}`]
    const started = process.cpuUsage()
    for (const text of worst) refusal(text)
    const { user } = process.cpuUsage(started)
    t.ok(user < 500_000, `${user} us of this process, whatever else runs`)
  })
})

t.test('text that is compared', async (t) => {
  t.test('a name is NFC, without white space around it', async (t) => {
    t.equal(plainText(' Zoe\u0308 '), 'Zo\u00eb')
    const kept = ['', 'Reports of Acme', '\u0639\u0644\u06cc\u200c\u0631\u0636\u0627', '\u{1f469}\u200d\u{1f469}\u200d\u{1f467} \u2764\ufe0f', '\u65e5\u672c\u8a9e', '\u0915\u094d\u200d\u0937', '\ud83d\ude00', '#1 "x" <b>']
    t.same(kept.filter((text) => plainText(text) !== text), [])
    const refused = ['a\u0007b', 'a\ud800b', 'a\u0000', 'a\u200bb', 'a\u200db', 'a\u202eb', 'a\u2066b', 'a\u00adb', 'a\ufeffb', 'a\u2060b', 'a\ufe0fb', '\u3164', 'a\u2028b', 'a\nb', 'a\tb', 'a\u007f', 'a\u0085', 'a\u180e', '\u{e0041}', '\u2800', '\ue000', 'x\u034f']
    t.same(refused.filter((text) => plainText(text) !== null), [])
  })

  t.test('folding is the same for every case, width and form of a text, and once is enough', async (t) => {
    const alike: [string, string[]][] = [
      ['\u03c3\u03c3', ['\u03c3\u03c2', '\u03a3\u03a3', '\u03a3\u03c2']], ['lea', ['\uff4c\uff45\uff41', 'LEA', '\u24db\u24d4\u24d0']], ['k', ['\u212a', 'K']], ['strasse', ['stra\u00dfe', 'STRA\u1e9eE', '\u017ftra\u017fse']],
      ['inci', ['\u0130nci', '\u0131nci', 'i\u0307nci', 'INCI']], ['fi', ['\ufb01']], ['a.b', ['a\u3002b', 'a\uff0eb', 'a\uff61b', 'a\u2024b']], ['jos\u00e9', ['jose\u0301', 'JOSE\u0301']],
    ]
    for (const [folded, texts] of alike) for (const text of [folded, ...texts]) t.equal(foldedText(text), folded, text)
    for (const text of ['l\u200bea', 'l\u00adea', 'a\u200db', 'a\ufe0f', '\ud800', '\uffa0', 'a\u202e']) t.equal(foldedText(text), null, JSON.stringify(text))
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (text) => {
      const folded = foldedText(text)
      return folded === null || (foldedText(folded) === folded && foldedText(text.normalize('NFD')) === folded)
    }), { seed: 5, numRuns: 1_000 })
  })
})

t.test('times', async (t) => {
  const taken = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123456789Z', '2024-02-29T23:59:59+14:00', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59+23:59', '2026-01-01t00:00:00z']
  for (const text of taken) t.ok(isTime(text), text)
  const refused = [
    '', '2026-01-01', '2026-01-01T00:00:00', '2026-01-01 00:00:00Z', '2026-01-01\u00a000:00:00Z', '2026-01-01\u300000:00:00Z', `2026-01-01T00:00:00.${'1'.repeat(200)}Z`, '2026-01-01T00:00:00.1234567890Z', '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T23:59:60Z', '2026-01-01T00:00:00+24:00', '2026-01-01T00:00:00+0100', '9999-12-31T23:59:59-23:59', '9999-12-31T23:59:59-00:01',
    '0001-01-01T00:00:00+00:01', '0000-01-01T00:00:00Z', '+010000-01-01T00:00:00Z', '-000001-01-01T00:00:00Z', ' 2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z\n', '\u0662\u0660\u0662\u0666-01-01T00:00:00Z',
  ]
  for (const text of refused) t.notOk(isTime(text), encodeURIComponent(text.slice(0, 40)))
})
