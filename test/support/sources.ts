// The repository's own source files, parsed, for the tests of the house.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import ts from 'typescript'

export const ROOT = resolve(import.meta.dirname, '../..')

export interface Import {
  /** as written */
  specifier: string
  /** path from the root, `.ts`, for a file of ours; null for a package or a Node module */
  file: string | null
  typeOnly: boolean
  /** the values among what is imported by name */
  names: string[]
}

export interface Source {
  /** path from the root */
  path: string
  text: string
  lines: number
  tree: ts.SourceFile
  imports: Import[]
}

const SKIPPED = new Set(['node_modules', 'dist', 'data', 'generated', '.tap', '.git', '.build'])

/** Paths from the root of the files below a folder (or the file itself), generated ones left out. */
export function filesBelow(folder: string, extension: RegExp): string[] {
  const from = join(ROOT, folder)
  if (!existsSync(from)) return []
  return readdirSync(from, { withFileTypes: true }).flatMap((entry) => {
    const path = relative(ROOT, join(from, entry.name))
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesBelow(path, extension)
    return extension.test(entry.name) ? [path] : []
  }).toSorted()
}

function importsOf(tree: ts.SourceFile, path: string): Import[] {
  const found: Import[] = []
  const add = (node: ts.Expression | undefined, typeOnly: boolean, names: string[] = []): void => {
    if (!node || !ts.isStringLiteral(node)) return
    const local = node.text.startsWith('.') ? relative(ROOT, resolve(ROOT, path, '..', node.text)).replace(/\.js$/, '.ts') : null
    found.push({ specifier: node.text, file: local, typeOnly, names: typeOnly ? [] : names })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const named = node.importClause?.namedBindings
      const allTypes = named !== undefined && ts.isNamedImports(named) && !node.importClause?.name && named.elements.length > 0 && named.elements.every((one) => one.isTypeOnly)
      const names = named !== undefined && ts.isNamedImports(named) ? named.elements.filter((one) => !one.isTypeOnly).map((one) => (one.propertyName ?? one.name).text) : []
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes, names)
    } else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

export function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true)
  return { path, text, lines: text.replace(/\n$/, '').split('\n').length, tree, imports: importsOf(tree, path) }
}

/** Every TypeScript file below these folders. */
export function sourcesBelow(...folders: string[]): Source[] {
  return folders.flatMap((folder) => filesBelow(folder, /\.tsx?$/)).map(readSource)
}

/** `path:line` of every node that the test picks. */
export function nodesWhere({ path, tree }: Source, pick: (node: ts.Node) => boolean): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (pick(node)) found.push(`${path}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1}`)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

/** One failed assertion for each item, or one passed. */
export function none(t: { fail: (message: string) => unknown; pass: (message: string) => unknown }, found: string[], message: string): void {
  if (found.length === 0) t.pass(message)
  for (const one of found) t.fail(one)
}
