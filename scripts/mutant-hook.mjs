// Loads a mutant in place of its file: GATEHOUSE_TEST_MUTATED names the file, GATEHOUSE_TEST_MUTANT the text that is run (test-mutation-services.mjs).
import { register } from 'node:module'

register('./mutant-loader.mjs', import.meta.url)
