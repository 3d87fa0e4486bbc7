// Pages as text, and the files that they load. Nothing but the build's manifest is read before the first page is asked for: who calls the
// API alone does not wait for templates.
import { readFile } from 'node:fs/promises'
import { chooseLanguage } from './language.js'
import type { UiFolder } from './ui-folder.js'
import type { PageAssets, PageContext, PagesModule, Renderer, View } from './views.js'

/** What the build says it made. */
export interface Manifest {
  /** what is asked for by name: file names with their hash */
  entries: Readonly<Record<string, string>>
  files: Readonly<Record<string, { type: string; br: boolean }>>
}

export interface PageFile {
  type: string
  bytes: Buffer
  /** compressed with brotli, where that is worth it */
  brotli: Buffer | null
  /** an operator's picture: nothing in it may run */
  isForeign: boolean
}

export interface PageRequest extends Omit<PageContext, 'assets' | 'locale'> {
  /** languages wished for, the dearest first */
  wishes: readonly string[]
}

export interface PagesService {
  /** Writes a page, in the best of the wished languages. */
  render: (view: View, request: PageRequest) => Promise<{ html: string; locale: string }>
  /** A file that pages load, by the name that is in their address; null: there is none. */
  file: (name: string) => Promise<PageFile | null>
  /** Addresses of what pages load. */
  assets: PageAssets
  /** Is it a language that pages have? */
  hasLocale: (tag: string) => Promise<boolean>
}

export interface PagesServiceDependencies {
  manifest: Manifest
  /** reads a file of the build */
  read: (path: string) => Promise<Buffer>
  load: () => Promise<PagesModule>
  folder: UiFolder
  locale: string
  warn: (message: string) => void
}

const PREFIX = '/ui/assets/'
const TYPES: Readonly<Record<string, string>> = { css: 'text/css; charset=utf-8', svg: 'image/svg+xml' }

export const readBuilt = (folder: string) => (path: string): Promise<Buffer> => readFile(`${folder}/${path}`)

export function createPagesService({ manifest, read, load, folder, locale: preset, warn }: PagesServiceDependencies): PagesService {
  const files = new Map<string, Promise<PageFile>>()
  let renderer: Promise<Renderer> | null = null
  const addressOf = (name: string): string => `${PREFIX}${manifest.entries[name] ?? name}`
  /** theme.css is asked for as theme.HASH.css */
  const namesOfFolder = new Map([...folder.files].map(([name, { hash }]) => [name.replace('.', `.${hash}.`), name]))
  const ofFolder = (wanted: string): string | null => [...namesOfFolder].flatMap(([hashed, name]) => (name === wanted ? [`${PREFIX}${hashed}`] : []))[0] ?? null

  /** Loaded once; a failure is not kept. */
  function renderers(): Promise<Renderer> {
    renderer ??= load().then(({ createRenderer }) => createRenderer({ overrides: folder.messages, warn })).catch((error: unknown) => {
      renderer = null
      throw error
    })
    return renderer
  }

  async function readFileOf(name: string, { type, br }: { type: string; br: boolean }): Promise<PageFile> {
    const [bytes, brotli] = await Promise.all([read(`assets/${name}`), br ? read(`assets/${name}.br`) : null])
    return { type, bytes, brotli, isForeign: false }
  }

  const assets: PageAssets = {
    style: addressOf('pages.css'), icon: addressOf('mark.svg'), passkeys: addressOf('passkeys.ts'),
    theme: ofFolder('theme.css'), logo: ofFolder('logo.svg'), logoDark: ofFolder('logo-dark.svg'),
  }

  return {
    assets,

    async render(view, { wishes, ...around }) {
      const { locales, render } = await renderers()
      const locale = chooseLanguage(locales, wishes, preset)
      return { html: render(view, { ...around, locale, assets }), locale }
    },

    async file(name) {
      const theirs = namesOfFolder.get(name)
      const found = theirs === undefined ? undefined : folder.files.get(theirs)
      if (found && theirs !== undefined) return { type: TYPES[theirs.split('.').at(-1) ?? ''] ?? 'application/octet-stream', bytes: found.bytes, brotli: null, isForeign: theirs.endsWith('.svg') }
      const built = Object.hasOwn(manifest.files, name) ? manifest.files[name] : undefined
      if (!built) return null
      let file = files.get(name)
      if (!file) {
        file = readFileOf(name, built)
        files.set(name, file)
        file.catch(() => files.delete(name))
      }
      return file
    },

    async hasLocale(tag) {
      return (await renderers()).locales.includes(tag)
    },
  }
}
