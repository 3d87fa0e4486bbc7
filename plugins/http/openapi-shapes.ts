// Names for the shapes of /openapi.json, so that a client generated from it reads well. A shape's name is the name under which a
// schema.ts of routes/ exports it; bodies and answers that no file exports are named after their operation. Named shapes stand once,
// in components.schemas. Only the document is touched: what validates and serializes keeps its schemas as they are.
export type Schema = Record<string, unknown>

const NAME = 'x-shape-name'
const INSIDE = ['items', 'additionalProperties', 'not'] as const
const LISTS = ['anyOf', 'oneOf', 'allOf'] as const

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The same schema with `change` applied to each schema inside it, itself not included. */
function mapInside(schema: Schema, change: (schema: Schema) => Schema): Schema {
  const copy: Schema = { ...schema }
  for (const key of INSIDE) if (isSchema(copy[key])) copy[key] = change(copy[key])
  for (const key of LISTS) if (Array.isArray(copy[key])) copy[key] = (copy[key] as unknown[]).map((one) => (isSchema(one) ? change(one) : one))
  if (isSchema(copy['properties'])) {
    copy['properties'] = Object.fromEntries(Object.entries(copy['properties']).map(([name, one]) => [name, isSchema(one) ? change(one) : one]))
  }
  return copy
}

/** Is it worth a name: an object whose properties are known, or a choice between such? */
function isShape(schema: Schema): boolean {
  if (isSchema(schema['properties'])) return true
  return Array.isArray(schema['anyOf']) && schema['anyOf'].filter((one) => isSchema(one) && isSchema(one['properties'])).length > 1
}

/** What makes two schemas the same shape; what is said about them does not. */
function identityOf({ description: _description, examples: _examples, ...schema }: Schema): string {
  return JSON.stringify(schema)
}

/** A default in words: generators take a property that has one for one that is always there, also in what is sent. */
function withoutDefault({ default: value, ...schema }: Schema): Schema {
  if (value === undefined) return schema
  const description = typeof schema['description'] === 'string' ? `${schema['description']}. ` : ''
  return { ...schema, description: `${description}Default: ${JSON.stringify(value)}` }
}

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`
const pascal = (path: string): string => path.split(/[^A-Za-z0-9]+/).map(capital).join('')

export interface Shapes {
  /** Marks every named shape inside `schema`; `name` is for the whole, should nobody have named it. */
  mark: (schema: Schema, name?: string) => Schema
}

/** `exported`: what the schema files export, by folder. Two different shapes of one name are told apart by their folders. */
export function createShapes(exported: ReadonlyMap<string, Record<string, unknown>>): Shapes {
  const names = new Map<string, string>()
  const taken = new Set<string>()

  function give(name: string, identity: string, folder: string): void {
    if (names.has(identity)) return
    let free = taken.has(name) ? `${pascal(folder)}${name}` : name
    for (let count = 2; taken.has(free); count += 1) free = `${name}${count}`
    taken.add(free)
    names.set(identity, free)
  }
  for (const [folder, values] of exported) {
    for (const [name, value] of Object.entries(values)) {
      if (isSchema(value) && isShape(value)) give(name, identityOf(value), folder)
    }
  }

  function mark(schema: Schema, name?: string): Schema {
    const identity = identityOf(schema)
    if (name !== undefined && isShape(schema)) give(name, identity, name)
    const marked = withoutDefault(mapInside(schema, (one) => mark(one)))
    const known = names.get(identity)
    return known === undefined ? marked : { ...marked, [NAME]: known }
  }
  return { mark }
}

/** The value that `property` always has in a member of a union. */
function tagOf(member: Schema, property: string): string | null {
  const properties = member['properties']
  const schema = isSchema(properties) ? properties[property] : undefined
  if (!isSchema(schema)) return null
  const values = Array.isArray(schema['enum']) ? schema['enum'] as unknown[] : [schema['const']]
  return values.length === 1 && typeof values[0] === 'string' ? values[0] : null
}

/** Says of a choice between named objects which property tells them apart. */
function withDiscriminator(schema: Schema, components: Record<string, Schema>): Schema {
  const list = schema['anyOf'] ?? schema['oneOf']
  if (!Array.isArray(list) || schema['discriminator'] !== undefined) return schema
  const refs = list.map((one: unknown) => (isSchema(one) && typeof one['$ref'] === 'string' ? one['$ref'] : null))
  if (refs.length < 2 || refs.some((ref) => ref === null)) return schema
  const members = refs.map((ref) => components[String(ref).split('/').at(-1) ?? ''] ?? {})
  const candidates = isSchema(members[0]?.['properties']) ? Object.keys(members[0]['properties']) : []
  const propertyName = candidates.find((property) => new Set(members.map((member) => tagOf(member, property)).filter((tag) => tag !== null)).size === members.length)
  if (propertyName === undefined) return schema
  return { ...schema, discriminator: { propertyName, mapping: Object.fromEntries(members.map((member, at) => [String(tagOf(member, propertyName)), String(refs[at])])) } }
}

/** Moves marked shapes into `components`, and leaves a $ref. */
export function hoist(schema: Schema, components: Record<string, Schema>): Schema {
  const { [NAME]: name, ...rest } = mapInside(schema, (one) => hoist(one, components))
  const told = withDiscriminator(rest, components)
  if (typeof name !== 'string') return told
  const { description } = told
  components[name] ??= told
  // the same shape may be described anew where it is used (a $ref of OpenAPI 3.1 may have neighbours)
  return { $ref: `#/components/schemas/${name}`, ...(description === undefined || components[name]['description'] === description ? {} : { description }) }
}
