// Preloaded for the MCP conformance suite, which asks node:fs for globSync: Node 20 has none, and no test of an authorization server needs it.
import { register } from 'node:module'

/** @param {string} source */
const encoded = (source) => `data:text/javascript,${encodeURIComponent(source)}`
const fs = encoded("export * from 'node:fs'; export const globSync = () => []")
register(encoded(`export const resolve = async (name, context, next) => name === 'fs' && context.parentURL?.includes('/@modelcontextprotocol/conformance/') ? { url: ${JSON.stringify(fs)}, shortCircuit: true } : next(name, context)`))
