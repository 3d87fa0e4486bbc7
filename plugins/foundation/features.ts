// What each feature is run by: its jobs are timed, its numbers shown, and what it holds is given back at the end. A feature's plugin
// hands over what the feature's create function returned, and decorates the app with the services.
import fp from 'fastify-plugin'
import { createJobs, type Job, type Jobs } from '../../src/jobs/index.js'
import { createTelemetry, type Metric, type Telemetry } from '../../src/telemetry/index.js'

/** A feature as the foundations see it. */
export interface Feature {
  jobs?: readonly Job[]
  metrics?: readonly Metric[]
  /** what is written or given back before the end; the jobs are over by then */
  close?: () => Promise<unknown>
}

declare module 'fastify' {
  interface FastifyInstance {
    jobs: Jobs
    telemetry: Telemetry
    /** Begins a feature's jobs, shows its metrics, and closes it when the app closes: the latest feature first. */
    operate: (feature: Feature) => void
  }
}

export default fp(async (app) => {
  const jobs = createJobs({ log: app.log })
  const telemetry = createTelemetry()
  app.decorate('jobs', jobs)
  app.decorate('telemetry', telemetry)
  app.decorate('operate', ({ jobs: work = [], metrics = [], close }) => {
    for (const metric of metrics) telemetry.add(metric)
    const stops = work.map((job) => jobs.add(job))
    app.addHook('onClose', async () => {
      await Promise.all(stops.map((stop) => stop()))
      await close?.()
    })
  })
}, { name: 'features' })
