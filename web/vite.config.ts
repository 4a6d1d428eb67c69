import { join } from 'node:path';
import { defineConfig } from 'vite';

const page = (path: string) => join(import.meta.dirname, path);

/** Nothing is inlined and nothing is loaded from other hosts, as `default-src 'self'` requires. */
export default defineConfig({
  root: import.meta.dirname,
  // Relative: a proxy may serve the hub below a path.
  base: './',
  build: {
    outDir: '../dist/page',
    emptyOutDir: true,
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The components of the documentation pages are that large, and no other page loads them.
    chunkSizeWarningLimit: 4_000,
    rolldownOptions: { input: [page('index.html'), page('docs/index.html'), page('docs/sockets.html')] },
  },
});
