import { Page } from './page.js';
import { watchScroller } from './scroller.js';

for (const part of document.querySelectorAll<HTMLElement>('.scroll')) watchScroller(part);
new Page().start();
