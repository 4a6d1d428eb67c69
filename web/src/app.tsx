/** The page's frame: its views, the state of the connection, and a line about what happened to it. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { theme, toggleTheme } from './live/theme.js';
import { ConnectionPanel, StatusPill } from './parts/connection-panel.js';
import { StatusLine } from './parts/status-line.js';
import { usePage } from './use-page.js';
import { Explorer } from './views/explorer/explorer.js';
import { Markets } from './views/markets/markets.js';
import { News } from './views/news/news.js';
import { Portfolio } from './views/portfolio/portfolio.js';
import { Signals } from './views/signals/signals.js';
import { System } from './views/system/system.js';

const VIEWS = [
  { id: 'markets', name: 'Markets', icon: 'M3 17l5-6 4 3 8-9', View: Markets },
  { id: 'news', name: 'News', icon: 'M4 5h16M4 10h16M4 15h10M4 20h7', View: News },
  { id: 'portfolio', name: 'Portfolio', icon: 'M12 3v9h9M12 3a9 9 0 1 0 9 9', View: Portfolio },
  {
    id: 'signals',
    name: 'Signals',
    icon: 'M7 20V7m0 0L3 11m4-4l4 4M17 4v13m0 0l4-4m-4 4l-4-4',
    View: Signals,
  },
  { id: 'system', name: 'System', icon: 'M4 5h16v6H4zM4 14h16v6H4zM8 8h.01M8 17h.01', View: System },
  {
    id: 'explorer',
    name: 'Explorer',
    icon: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M15.5 15.5L21 21',
    View: Explorer,
  },
] as const;

const view = signal(viewOfAddress());
// Not in an effect, which would miss a change of the address while the page is being built.
window.addEventListener('hashchange', () => {
  view.value = viewOfAddress();
  window.scrollTo(0, 0);
});

function viewOfAddress(): string {
  const id = location.hash.replace(/^#\/?/, '');
  return VIEWS.some((one) => one.id === id) ? id : 'markets';
}

export function App() {
  const page = usePage();
  useEffect(() => {
    // Alt and a number: shortcuts of a single letter get in the way of people who use speech input.
    const shortcut = (event: KeyboardEvent) => {
      const chosen = VIEWS[Number(event.key) - 1];
      if (event.altKey && chosen !== undefined) location.hash = `/${chosen.id}`;
    };
    window.addEventListener('keydown', shortcut);
    return () => window.removeEventListener('keydown', shortcut);
  }, []);
  const shown = VIEWS.find(({ id }) => id === view.value) ?? VIEWS[0];
  useEffect(() => {
    document.title = `${shown.name} · Axiom Streaming`;
  }, [shown]);
  page.connection.version;
  const { state } = page.connection.status;
  const isLive = state === 'connected' || state === 'recovering' || state === 'connecting';
  return (
    <>
      <a class="skip" href={`#/${shown.id}`} onClick={() => document.getElementById('main')?.focus()}>
        Skip to {shown.name}
      </a>
      <header class="top">
        <div class="bar">
          <p class="brand">
            <Mark />
            <span class="brand-name">Axiom Streaming</span>
          </p>
          <Tabs shown={shown.id} />
          <div class="bar-end">
            <StatusPill />
            <a class="icon-button" href="docs/" title="Documents">
              <span class="hidden">Documents</span>
              <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d="M6 3h9l4 4v14H6zM14 3v5h5M9 13h6M9 17h6" />
              </svg>
            </a>
            <button
              type="button"
              class="icon-button"
              aria-label={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
              title={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
              onClick={toggleTheme}
            >
              <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d={theme.value === 'dark' ? SUN : MOON} />
              </svg>
            </button>
          </div>
        </div>
        <StatusLine />
      </header>
      <ConnectionPanel />
      <main id="main" tabIndex={-1} class={isLive ? '' : 'not-live'}>
        <h1 class="hidden">{shown.name}</h1>
        <shown.View />
      </main>
    </>
  );
}

const SUN =
  'M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4';
const MOON = 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5';

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" />
      <path d="M7 10h18M7 16h12M7 22h15" />
      <circle cx="24.5" cy="16" r="2.5" />
    </svg>
  );
}

function Tabs({ shown }: { readonly shown: string }) {
  return (
    <nav class="tabs" aria-label="Views">
      {VIEWS.map(({ id, name, icon }, i) => (
        <a
          key={id}
          href={`#/${id}`}
          aria-current={id === shown ? 'page' : undefined}
          aria-keyshortcuts={`Alt+${i + 1}`}
          title={`${name} (Alt+${i + 1})`}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d={icon} />
          </svg>
          <span>{name}</span>
        </a>
      ))}
    </nav>
  );
}
