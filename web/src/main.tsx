import { render } from 'preact';
import { App } from './app.js';
import { connectHub } from './live/choices.js';
import { paintWith } from './live/painter.js';
import { applyTheme } from './live/theme.js';
import { Page } from './page.js';
import { PageContext } from './use-page.js';

applyTheme();
paintWith((paint) => requestAnimationFrame(paint));
const root = document.getElementById('page');
if (root !== null) {
  render(
    <PageContext.Provider value={new Page(connectHub)}>
      <App />
    </PageContext.Provider>,
    root,
  );
}
