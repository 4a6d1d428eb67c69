import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Page } from './page.js';

/** The current page; set once, around the whole tree. */
export const PageContext = createContext<Page | undefined>(undefined);

/** The page, in a component. @throws Error outside {@link PageContext} */
export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error('there is no page around this component');
  return page;
}
