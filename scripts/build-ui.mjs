// node scripts/build-ui.mjs OUT: the hosted pages as files. The templates become one module that the program loads at the first page; style
// sheets, fonts and scripts get names with a hash in them, and a .br beside them. Types are not looked at (npm run typecheck does).
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, extname, join, relative, resolve } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { build } from 'esbuild'
import { root } from './prepare.mjs'

const out = resolve(process.argv[2])
const TYPES = { '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
// a font is compressed already
const COMPRESSED = new Set(['.css', '.js', '.svg'])
const SHARED = { absWorkingDir: root, bundle: true, format: 'esm', jsx: 'automatic', jsxImportSource: 'preact', minify: true, legalComments: 'none', logLevel: 'error' }

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const [, browser] = await Promise.all([
  build({ ...SHARED, entryPoints: ['ui/pages/main.tsx'], outfile: join(out, 'pages.js'), platform: 'node', target: 'node20', sourcemap: true, minify: false }),
  build({
    ...SHARED, entryPoints: ['ui/pages/pages.css', 'ui/pages/mark.svg', 'ui/pages/passkeys.ts'], outdir: join(out, 'assets'), entryNames: '[name]-[hash]', assetNames: '[name]-[hash]', publicPath: '/ui/assets',
    target: ['es2022', 'chrome123', 'firefox120', 'safari17.5'], loader: { '.woff2': 'file', '.svg': 'copy' }, metafile: true,
  }),
])

const files = {}
const entries = {}
for (const [path, { entryPoint }] of Object.entries(browser.metafile.outputs)) {
  const name = relative(join(out, 'assets'), join(root, path))
  const bytes = readFileSync(join(root, path))
  const isCompressed = COMPRESSED.has(extname(name))
  if (isCompressed) writeFileSync(join(root, `${path}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }))
  files[name] = { type: TYPES[extname(name)], br: isCompressed }
  if (entryPoint) entries[basename(entryPoint)] = name
}
writeFileSync(join(out, 'manifest.json'), JSON.stringify({ entries, files }))
