// What Stryker is told about this program. It leaves the words of a refusal alone: what is refused, and under which code, is tested; how the
// sentence goes is not. And it says what nobody noticed as soon as it knows, so that a run that is stopped has told something.
import { relative } from 'node:path'
import { declareClassPlugin, declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'
import { root } from './prepare.mjs'

const WORDS = new Set(['message', 'detail'])

class Missed {
  onMutantTested({ fileName, location: { start, end }, mutatorName, replacement, status }) {
    if (['Killed', 'Ignored'].includes(status)) return
    const where = `${relative(root, fileName)}:${start.line}:${start.column}`
    const lines = end.line > start.line ? ` to ${end.line}` : ''
    console.log(`${status === 'NoCoverage' ? 'not reached' : status.toLowerCase()} ${where}${lines} ${mutatorName}: ${replacement?.split('\n')[0] ?? ''}`)
  }
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.Reporter, 'missed', Missed),
  declareValuePlugin(PluginKind.Ignore, 'words', {
    shouldIgnore(path) {
      const isWords = (path.isObjectProperty() && WORDS.has(path.node.key.name)) || (path.isNewExpression() && path.node.callee.name === 'Error')
      return isWords ? 'the words of a refusal' : undefined
    },
  }),
]
