import { defineConfig } from 'vite';

/** Nothing is inlined and nothing comes from elsewhere: the page keeps to `default-src 'self'`. */
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: '../dist/page',
    emptyOutDir: true,
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
