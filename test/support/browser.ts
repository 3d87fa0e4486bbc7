// Debian's Chromium on the pages of a real Gatehouse. A visit fails its test on an error in the console, on what the policy refused, and on a
// request to anybody else.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import type { Config } from '../../src/config.js'
import { startApp, type TestApp } from './app.js'
import type { Teardown } from './database.js'

const BINARY = process.env['GATEHOUSE_TEST_CHROMIUM'] ?? '/usr/bin/chromium'
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

// a folder: every page that is examined is also kept there as pictures, narrow and wide, in the light and in the dark
const PICTURES = process.env['GATEHOUSE_TEST_PICTURES']

/** False when there is a Chromium; else why the test is skipped. Under CI nothing is skipped: the test fails for want of it. */
export function noBrowser(): string | false {
  return spawnSync(BINARY, ['--version'], { stdio: 'ignore' }).status === 0 || process.env['CI'] === 'true' ? false : `there is no ${BINARY}: apt-get install chromium`
}

export interface VisitOptions {
  width?: number
  isDark?: boolean
  javaScript?: boolean
  locale?: string
  /** origins that may be asked beside ours */
  others?: readonly string[]
}

export interface Visit {
  page: Page
  context: BrowserContext
  /** Fills fields in by their ids, and presses the button of this name. */
  send: (fields: Record<string, string>, button: string) => Promise<void>
  /** What axe finds on the page as it is, its colours in the light and in the dark, in a line each. */
  violations: () => Promise<string[]>
  /** Does the page scroll sideways? */
  isTooWide: () => Promise<boolean>
}

export interface House extends TestApp {
  origin: string
  visit: (t: Teardown, options?: VisitOptions) => Promise<Visit>
}

interface AxeFinding {
  id: string
  nodes: { target: unknown[]; failureSummary?: string }[]
}

let pictures = 0
async function takePictures(page: Page, folder: string, isDark: boolean): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const before = page.viewportSize()
  const name = `${String(pictures += 1).padStart(3, '0')}${new URL(page.url()).pathname.replaceAll('/', '-')}`
  for (const width of [390, 1280]) for (const colorScheme of ['light', 'dark'] as const) {
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true, caret: 'initial' })
  }
  await page.emulateMedia({ colorScheme: isDark ? 'dark' : 'light' })
  await page.emulateMedia({ reducedMotion: null })
  if (before) await page.setViewportSize(before)
}

/** Chromium and a Gatehouse that listens, until `t` ends. */
export async function openHouse(t: Teardown, config: Partial<Config> = {}): Promise<House> {
  const house = await startApp(t, { config })
  await house.app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await chromium.launch({ executablePath: BINARY, args: FLAGS })
  t.teardown(() => browser.close())
  const origin = house.app.publicOrigin()

  async function visit(t: Teardown, { width = 1280, isDark = false, javaScript = true, locale = 'en', others = [] }: VisitOptions = {}): Promise<Visit> {
    const context = await browser.newContext({
      viewport: { width, height: 900 }, colorScheme: isDark ? 'dark' : 'light', javaScriptEnabled: javaScript, locale, ...(width < 640 ? { hasTouch: true, isMobile: true } : {}),
    })
    const faults: string[] = []
    context.on('request', (request) => {
      if (![origin, ...others].includes(new URL(request.url()).origin) && !request.url().startsWith('data:')) faults.push(`asked ${request.url()}`)
    })
    context.on('console', (message) => {
      // a page that answers 4xx or 503 is told of as one
      const isStatus = /^Failed to load resource: the server responded with a status of (4\d\d|503)/.test(message.text())
      if (message.type() === 'error' && !isStatus) faults.push(`console: ${message.text()}`)
    })
    context.on('weberror', (error) => void faults.push(`threw ${error.error().message}`))
    await context.addInitScript(`document.addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))\n${AXE}`)
    const page = await context.newPage()
    t.teardown(async () => {
      await context.close()
      if (faults.length > 0) throw new Error(`A page has failed:\n${faults.join('\n')}`)
    })
    return {
      page,
      context,
      async send(fields, button) {
        for (const [id, value] of Object.entries(fields)) await page.locator(`#${id}`).fill(value)
        await page.getByRole('button', { name: button, exact: true }).click()
        await page.waitForLoadState()
      },
      async violations() {
        if (PICTURES !== undefined) await takePictures(page, PICTURES, isDark)
        const found = async (rules: readonly string[]) => (await page.evaluate<{ violations: AxeFinding[] }>(`axe.run(document, { runOnly: ${JSON.stringify(rules)}, resultTypes: ['violations'] })`)).violations
        const violations = await found(RULES)
        // at once: what is on its way from one colour to another has neither
        await page.emulateMedia({ colorScheme: isDark ? 'light' : 'dark', reducedMotion: 'reduce' })
        violations.push(...(await found(['color-contrast'])))
        await page.emulateMedia({ colorScheme: isDark ? 'dark' : 'light' })
        await page.emulateMedia({ reducedMotion: null })
        return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary = '' }) => `${new URL(page.url()).pathname}: ${id} at ${target.join(' ')}: ${failureSummary.replaceAll('\n', ' ')}`))
      },
      isTooWide: () => page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth'),
    }
  }

  return { ...house, origin, visit }
}
