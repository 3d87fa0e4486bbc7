// The program: reads the configuration, and answers in this process, or in several that it supervises (WORKERS). Mistakes of the configuration
// are one line each on stderr, and nothing is started.
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { loadConfig } from './environment.js'
import { LEAVE_MAX_MS, runNode } from './node.js'
import { supervise } from './workers/supervisor.js'

const outcome = loadConfig(process.env)
// the supervisor has said it already
if (!cluster.isWorker) for (const { name, message } of 'mistakes' in outcome ? outcome.mistakes : outcome.warnings) console.error(`${name} ${message}`)
if ('mistakes' in outcome) process.exit(1)
const { config } = outcome
if (cluster.isWorker || config.workers === 1) await runNode(config)
else process.exit(await supervise({ count: config.workers, program: fileURLToPath(import.meta.url), leaveMs: LEAVE_MAX_MS, log: pino({ level: config.logLevel }) }))
