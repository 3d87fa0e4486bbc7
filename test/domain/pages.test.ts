// The pure rules of the hosted pages: where they lead, in which language, with which theme; and that all languages say the same.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { IntlMessageFormat } from 'intl-messageformat'
import t from 'tap'
import { acceptedLanguages, localPath } from '../../src/pages/index.js'
import { chooseLanguage } from '../../src/pages/language.js'
import { COLOURS, contrastOf, readTheme } from '../../src/pages/theme.js'

const UI = join(import.meta.dirname, '../../ui')

t.test('a path leads where a browser reads it, and to no other origin', async (t) => {
  for (const path of ['/', '/ui/account', '/a/b?c=d&e=%2F#f', '/%20', '/a:b@c', '/console/keys?limit=50', '/-._~!$&\'()*+,;=:@', '/?next=//x']) t.equal(localPath(path), path)
  const refused = [
    '', 'a', '//', '//evil', '///evil', '/\\evil', '\\/evil', '\\\\evil', '/%5cevil', '/%2fevil', '/a/%2F/b', '/./evil', '/../evil', '/a/..//evil', '/.//evil', '/%2e%2e//evil', '/%2e//evil', 'https:evil', 'https:/evil', 'https://evil',
    'HTTPS://evil', 'javascript:alert(1)', 'data:text/html,x', ' /a', '/a ', '/\tevil', '/\t/evil', '\t//evil', '/\r\n/evil', '/\n', '/a\u0000', '/\u200b/evil', '/\uff0fevil', '/\u3002', '/ä', '?a', '#a', '/\\t/evil', '/a\\..\\\\evil',
  ]
  for (const path of refused) t.equal(localPath(path), null, JSON.stringify(path))
  fc.assert(fc.property(fc.array(fc.constantFrom('/', '\\', '.', '..', '%2e', '%5c', '%2f', 'evil', '?', '#', '@', ':', '\t', '\n', 'https:', '//')), (parts) => {
    const path = localPath(`/${parts.join('')}`)
    return path === null || (new URL(path, 'https://our.example/ui/sign-in').origin === 'https://our.example' && !path.startsWith('//'))
  }), { numRuns: 5_000 })
})

t.test('the language is the dearest that there is', async (t) => {
  t.same(acceptedLanguages('de-AT;q=0.5, fr, en;q=0, *;q=0.1'), ['fr', 'de-AT', '*'])
  t.same(acceptedLanguages(''), [])
  t.same(acceptedLanguages('de;q=x'), ['de'])
  const all = ['en', 'de', 'pt-BR']
  t.equal(chooseLanguage(all, ['fr', 'DE-at-x-y', 'en'], 'en'), 'de')
  t.equal(chooseLanguage(all, ['pt'], 'de-CH'), 'de', 'a narrower language is not what was asked for')
  t.equal(chooseLanguage(all, ['pt-br'], 'en'), 'pt-BR')
  t.equal(chooseLanguage(all, [], 'xx'), 'en')
  t.equal(chooseLanguage(all, Array.from({ length: 50 }, () => 'xx').concat('de'), 'en'), 'en', 'wishes have an end')
})

t.test('the tokens are what a theme is compared with, and can be read by everybody', async (t) => {
  const text = readFileSync(join(UI, 'tokens.css'), 'utf8')
  for (const [name, [light, dark]] of Object.entries(COLOURS)) t.ok(text.includes(`--${name}: light-dark(${light}, ${dark});`), name)
  t.same(readTheme('').warnings, [])
  t.equal(Math.round(contrastOf('#000', '#ffffff')), 21)
  t.equal(contrastOf('#767676', '#fff').toFixed(2), '4.54')
})

t.test('a theme sets tokens, and nothing else', async (t) => {
  const good = readTheme(':root { --accent: light-dark(#003366, #99ccff); /* --ink: #fff; */ --r-control: 0px; --font-text: "Acme Sans", sans-serif; }')
  t.equal(good.css, ':root {\n  --accent: light-dark(#003366, #99ccff);\n  --r-control: 0px;\n  --font-text: "Acme Sans", sans-serif;\n}\n')
  t.same(good.warnings, [])
  for (const bad of ['--accent: url(https://evil.example/x)', '--accent: red', '--stranger: #fff', '--accent: #12345', '--r-control: 100vw', '--constructor: #fff']) {
    const { css, warnings } = readTheme(`:root { ${bad}; }`)
    t.equal(css, '', bad)
    t.ok(warnings.length > 0, bad)
  }
  for (const more of ['@import "x";', 'body { display: none }', ':root{--r-well: 1px}body{display:none}', ':root { color: red; }']) t.match(readTheme(`${more} :root { --accent: #003366; }`).warnings.join(), 'tokens alone', more)
  t.match(readTheme(':root { --ink: #999999; }').warnings.join('\n'), /--ink on --ground has a contrast of \d\.\d in the light, under 4\.5/)
  t.match(readTheme(':root { --accent: #005500; }').warnings.join('\n'), /--accent on --ground .* in the dark/)
})

type Part = ReturnType<IntlMessageFormat['getAst']>[number]

/** What a message wants filled in, and of what kind. */
function wantedBy(message: string, locale: string): string[] {
  const ofPart = (part: Part): string[] => [
    ...('value' in part && `${part.type}` !== '0' ? [`${part.value}:${part.type}`] : []),
    ...('options' in part ? Object.values(part.options).flatMap(({ value }) => value.flatMap(ofPart)) : []),
  ]
  return [...new Set(new IntlMessageFormat(message, locale).getAst().flatMap(ofPart))].toSorted()
}

t.test('every language says what English says, with the same to be filled in', async (t) => {
  const files = readdirSync(join(UI, 'messages'))
  t.same(files, ['de.json', 'en.json'])
  const messages = Object.fromEntries(files.map((file) => [file.slice(0, -5), JSON.parse(readFileSync(join(UI, 'messages', file), 'utf8')) as Record<string, string>]))
  const english = messages['en'] ?? {}
  for (const [locale, texts] of Object.entries(messages)) {
    t.same(Object.keys(texts), Object.keys(english), `${locale} has the keys of English, in their order`)
    for (const [key, text] of Object.entries(texts)) {
      t.same(wantedBy(text, locale), wantedBy(english[key] ?? '', 'en'), `${locale} ${key}`)
      t.notMatch(text, /^\s|\s$|^$|\.\.\.|--/, `${locale} ${key} is a tidy text`)
    }
  }
  const used = readdirSync(UI, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file)).map((file) => readFileSync(join(UI, file), 'utf8')).join('\n') + readFileSync(join(UI, '../src/pages/views.ts'), 'utf8')
  const unused = Object.keys(english).filter((key) => !used.includes(`'${key}'`) && !used.includes(`"${key}"`) && !/^(problem|fault|done|account\.nav)\./.test(key))
  t.same(unused, [], 'no text that no page shows')
})
