// How input is checked: bodies exactly as they are ("3" is not 3, unknown properties are refused), query strings, params
// and headers with their text turned into what the schema asks for. Text with `x-text` is brought into one spelling (kernel/text.ts).
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import addFormats, { type FormatsPlugin } from 'ajv-formats'
import fp from 'fastify-plugin'
import type { FieldError } from '../../src/kernel/errors.js'
import { plainText } from '../../src/kernel/text.js'
import { isTime } from '../../src/kernel/times.js'
import { fieldErrors } from './errors.js'

// our own schemas are held against the draft by a test, not at each start
const COMMON: Options = { useDefaults: true, removeAdditional: false, meta: false, validateSchema: false, allErrors: false, strict: 'log', strictTypes: false, keywords: ['example'] }

interface DataContext {
  parentData: Record<string, unknown>
  parentDataProperty: string | number
}

interface BodySchema {
  type?: unknown
  required?: readonly string[]
  minProperties?: number
}

function compiler(options: Options): Ajv {
  const ajv = new Ajv({ ...COMMON, ...options })
  const add = addFormats as unknown as FormatsPlugin // its types describe the CommonJS export
  add(ajv)
  // that of ajv-formats takes any white space for the T and any number of digits, which the database refuses
  ajv.addFormat('date-time', { type: 'string', validate: isTime })
  ajv.addKeyword({
    keyword: 'x-text', type: 'string', schemaType: 'string', modifying: true, error: { message: 'must hold no control, bidirectional or invisible characters' },
    validate: (_kind: unknown, text: string, _schema: unknown, context?: DataContext) => {
      const plain = plainText(text)
      if (plain === null || context === undefined) return plain !== null
      context.parentData[context.parentDataProperty] = plain
      return true
    },
  })
  return ajv
}

// what Fastify reads: true, what is wrong, or another value to take
type Check = (data: unknown) => true | { error: ErrorObject[] } | { value: object }

function answerOf(check: ValidateFunction): Check {
  return (data) => check(data) || { error: check.errors ?? [] }
}

/** Text like 1e309 becomes an infinite number, which passes every bound that Ajv checks: refused here. */
function finite(check: ValidateFunction): Check {
  return (data) => {
    if (!check(data)) return { error: check.errors ?? [] }
    const [name] = Object.entries(data ?? {}).find(([, value]) => value === Infinity || value === -Infinity) ?? []
    return name === undefined || { error: [{ keyword: 'type', instancePath: `/${name}`, schemaPath: '#/type', params: {}, message: 'must be a number that is not infinite' }] }
  }
}

/** Fastify asks with null when there is no body. */
function optional(check: Check): Check {
  return (body) => (body === null ? { value: {} } : check(body))
}

/** A body is optional where its schema asks for none of its properties. */
function isOptional(schema: BodySchema): boolean {
  return schema.type === 'object' && (schema.required?.length ?? 0) === 0 && schema.minProperties === undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    /** A check of values by a body's schema, made once for each schema: what is wrong, or null. It brings text into its one spelling. */
    checkOf: (schema: object) => (value: unknown) => FieldError[] | null
  }
}

export default fp(async (app) => {
  const checks = new WeakMap<object, (value: unknown) => FieldError[] | null>()
  app.decorate('checkOf', (schema) => {
    let check = checks.get(schema)
    if (!check) {
      const compiled = exact.compile(schema)
      check = (value) => (compiled(value) ? null : fieldErrors({ validation: compiled.errors ?? [], validationContext: 'body' }))
      checks.set(schema, check)
    }
    return check
  })
  const exact = compiler({ coerceTypes: false })
  const coercing = compiler({ coerceTypes: true })
  app.setValidatorCompiler(({ schema, httpPart }) => app.lazily<unknown, ReturnType<Check>>(() => {
    if (httpPart !== 'body') return finite(coercing.compile(schema as object))
    const check = answerOf(exact.compile(schema as object))
    return isOptional(schema as BodySchema) ? optional(check) : check
  }))
}, { name: 'validation', dependencies: ['lazy-schemas'] })
