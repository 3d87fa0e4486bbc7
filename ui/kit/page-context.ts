// What is around the page that is being written: its address, its hidden field, its files.
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { PageContext } from '../../src/pages/views.js'

export interface Around extends PageContext {
  locales: readonly string[]
}

const Page = createContext<Around | null>(null)

export const PageProvider = Page.Provider

export function usePage(): Around {
  const page = useContext(Page)
  if (page === null) throw new Error('There is no page around this component')
  return page
}
