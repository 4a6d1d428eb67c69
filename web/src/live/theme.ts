/** Light or dark: the system's setting, until the user chooses. */
import { signal } from '@preact/signals';

export type Theme = 'light' | 'dark';
const KEY = 'axiom-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** The theme that is shown. */
export const theme = signal<Theme>(current());

function current(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return system.matches ? 'dark' : 'light';
}

/** Shows the current theme, now and whenever the system's setting changes. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = theme.value;
  system.addEventListener('change', () => show(current()));
}

export function toggleTheme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  localStorage.setItem(KEY, next);
  show(next);
}

function show(next: Theme): void {
  document.documentElement.dataset.theme = next;
  theme.value = next;
}

/** A colour of the theme, for canvases. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
