// A theme sets tokens, and nothing else: what is served is written anew from the names and values that were understood, so that a theme can
// load, hide or run nothing. Each colour may be one, or `light-dark(one, other)`. Also works out contrasts (WCAG 2.2, 1.4.3). Pure.

/** Tokens that a theme may set, with what they are without one: light, dark. */
export const COLOURS: Readonly<Record<string, readonly [string, string]>> = {
  ground: ['#f5f2eb', '#131210'], surface: ['#fdfbf7', '#1b1a17'], hover: ['#ece7dc', '#24221e'], raised: ['#ffffff', '#24221e'], line: ['#dad3c5', '#36332c'],
  edge: ['#8a8273', '#7e776a'], ink: ['#1d1b17', '#efeae0'], 'ink-2': ['#4e493f', '#bdb6a8'], 'ink-3': ['#6b6558', '#9a9283'], accent: ['#0e6656', '#5cc4ac'],
  'accent-hover': ['#0a5245', '#79d3be'], 'on-accent': ['#ffffff', '#06211a'], 'accent-soft': ['#dcebe4', '#15352d'], deny: ['#a32a22', '#f08a80'],
  'on-deny': ['#ffffff', '#2a0906'], 'deny-soft': ['#f8e1db', '#3b1a16'], warn: ['#7f5200', '#e6b24c'], 'warn-soft': ['#f8e8c6', '#362707'], info: ['#2b5a94', '#8ab6ea'],
}
const OTHERS: Readonly<Record<string, RegExp>> = {
  'font-text': /^[\w\s",.-]+$/, 'font-title': /^[\w\s",.-]+$/, 'font-code': /^[\w\s",.-]+$/,
  'r-control': /^\d{1,2}px$/, 'r-well': /^\d{1,2}px$/, 'w-page': /^\d{3}px$/,
}
const HEX = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i
const BOTH = /^light-dark\(\s*(#[0-9a-f]{3,6})\s*,\s*(#[0-9a-f]{3,6})\s*\)$/i

/** What is read on what; each pair needs a contrast of 4.5. */
const PAIRS: readonly (readonly [string, string])[] = [
  ...['ink', 'ink-2', 'ink-3', 'accent', 'deny', 'warn', 'info'].flatMap((text) => [[text, 'ground'], [text, 'surface']] as const),
  ...['accent', 'accent-hover'].map((ground) => ['on-accent', ground] as const), ['ink', 'hover'], ['ink', 'accent-soft'], ['ink', 'deny-soft'], ['ink', 'warn-soft'],
  ['deny', 'deny-soft'], ['warn', 'warn-soft'], ['on-deny', 'deny'], ['accent-hover', 'ground'],
]
const ENOUGH = 4.5

export interface Theme {
  /** the style sheet; empty where nothing is set */
  css: string
  /** what was not understood, and what cannot be read by everybody */
  warnings: string[]
}

function luminance(hex: string): number {
  const digits = hex.length === 4 ? hex.slice(1).replaceAll(/./g, '$&$&') : hex.slice(1)
  const [r = 0, g = 0, b = 0] = [0, 2, 4].map((at) => {
    const part = Number.parseInt(digits.slice(at, at + 2), 16) / 255
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** The contrast of two colours in hex, 1 to 21. */
export function contrastOf(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a)
  return (light + 0.05) / (dark + 0.05)
}

function colourOf(value: string): [string, string] | null {
  if (HEX.test(value)) return [value, value]
  const [, light = '', dark = ''] = BOTH.exec(value) ?? []
  return HEX.test(light) && HEX.test(dark) ? [light, dark] : null
}

/** Reads a theme.css. */
export function readTheme(text: string): Theme {
  const warnings: string[] = []
  const declared: string[] = []
  const colours: Record<string, readonly [string, string]> = { ...COLOURS }
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\//g, '')
  for (const [, name = '', given = ''] of bare.matchAll(/--([a-z0-9-]+)\s*:\s*([^;{}]*)/gi)) {
    const value = given.trim()
    const isColour = Object.hasOwn(COLOURS, name)
    const colour = isColour ? colourOf(value) : null
    if (colour) colours[name] = colour
    if (colour || (Object.hasOwn(OTHERS, name) && OTHERS[name]?.test(value))) declared.push(`  --${name}: ${value};`)
    else warnings.push(isColour ? `theme.css: --${name} must be #rrggbb or light-dark(#rrggbb, #rrggbb)` : `theme.css: --${name} is no token, or its value is none it may have`)
  }
  const rest = bare.replaceAll(':root', '').replaceAll(/--[a-z0-9-]+\s*:[^;{}]*/gi, '').replaceAll(/[{};\s]/g, '')
  if (rest !== '') warnings.push('theme.css sets tokens alone: what else it holds is left out')
  for (const [at, mode] of ['light', 'dark'].entries()) {
    for (const [text, ground] of PAIRS) {
      const contrast = contrastOf(colours[text]?.[at] ?? '#000', colours[ground]?.[at] ?? '#000')
      if (contrast < ENOUGH) warnings.push(`theme.css: --${text} on --${ground} has a contrast of ${contrast.toFixed(1)} in the ${mode}, under ${ENOUGH}`)
    }
  }
  return { css: declared.length === 0 ? '' : `:root {\n${declared.join('\n')}\n}\n`, warnings }
}
