import { join } from 'node:path';
import { defineConfig } from 'vite';

const page = (path: string) => join(import.meta.dirname, path);

/** Nothing is inlined and nothing comes from elsewhere: the page keeps to `default-src 'self'`. */
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
    // The documents' components are that large, and no one else's page loads them.
    chunkSizeWarningLimit: 4_000,
    rolldownOptions: { input: [page('index.html'), page('docs/index.html'), page('docs/sockets.html')] },
  },
});
