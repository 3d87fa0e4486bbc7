// How input is checked: bodies exactly as they are ("3" is not 3, unknown properties are refused), query strings, params
// and headers with their text turned into what the schema asks for.
import { Ajv, type Options } from 'ajv'
import addFormats, { type FormatsPlugin } from 'ajv-formats'
import fp from 'fastify-plugin'

const COMMON: Options = { useDefaults: true, removeAdditional: false, allErrors: false, strict: 'log', strictTypes: false, keywords: ['example'] }

function compiler(options: Options): Ajv {
  const ajv = new Ajv({ ...COMMON, ...options })
  const add = addFormats as unknown as FormatsPlugin // its types describe the CommonJS export
  add(ajv)
  return ajv
}

export default fp(async (app) => {
  const exact = compiler({ coerceTypes: false })
  const coercing = compiler({ coerceTypes: true })
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? exact : coercing).compile(schema as object))
}, { name: 'validation' })
