// Hosted pages: written from templates that the build has put together, in the language of whoever looks, with the operator's theme.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createPagesService, type Manifest, type PagesService, readBuilt } from './pages-service.js'
import { NO_UI_FOLDER, readUiFolder } from './ui-folder.js'
import type { PagesModule } from './views.js'

export { localPath } from './return-to.js'
export { acceptedLanguages } from './language.js'
export type { PageFile, PagesService } from './pages-service.js'
export { DONE, type Done, SENT, type Sent } from './views.js'
export type { FormFault, FormProblem, PageFault, View, ViewName, Views } from './views.js'

export interface PagesNeeds {
  config: { uiDir: string | null; uiLocale: string }
  log: { warn: (details: object, message: string) => void }
}

// beside the compiled program, or below the folder that the sources are run from
const BUILT = ['../../ui', '../../dist/ui'].map((path) => join(import.meta.dirname, path))

export function createPages({ config, log }: PagesNeeds): { pages: PagesService } {
  const warn = (message: string): void => log.warn({ folder: config.uiDir }, `GATEHOUSE_UI_DIR: ${message}`)
  const built = BUILT.find((folder) => existsSync(join(folder, 'manifest.json')))
  if (built === undefined) throw new Error('The pages have not been built: npm run build')
  return {
    pages: createPagesService({
      manifest: JSON.parse(readFileSync(join(built, 'manifest.json'), 'utf8')) as Manifest,
      read: readBuilt(built),
      load: () => import(pathToFileURL(join(built, 'pages.js')).href) as Promise<PagesModule>,
      folder: config.uiDir === null ? NO_UI_FOLDER : readUiFolder(config.uiDir, warn),
      locale: config.uiLocale,
      warn,
    }),
  }
}
