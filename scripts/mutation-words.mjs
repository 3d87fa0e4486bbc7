// Tells Stryker to leave the words of a refusal alone: what is refused, and under which code, is tested; how the sentence goes is not.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

const WORDS = new Set(['message', 'detail'])

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'words', {
    shouldIgnore(path) {
      const isWords = (path.isObjectProperty() && WORDS.has(path.node.key.name)) || (path.isNewExpression() && path.node.callee.name === 'Error')
      return isWords ? 'the words of a refusal' : undefined
    },
  }),
]
