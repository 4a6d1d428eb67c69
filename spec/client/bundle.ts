import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { build, type Rollup } from 'vite';

const ENTRY = fileURLToPath(new URL('../../../packages/client/dist/client.js', import.meta.url));

/**
 * The client library alone as one minified ES module for browsers, made by the bundler that Vite uses: no
 * `socket.io-client`, and nothing that is added for the sake of a whole page. Vite's own builds of pages have 0.7 KiB
 * more, once for the page: code that preloads the stylesheets of what is imported later.
 */
export async function minifyClient(): Promise<string> {
  const bundle = await rolldown({ input: ENTRY, platform: 'browser', external: ['socket.io-client', 'ws'] });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  await bundle.close();
  return output[0].code;
}

/** The client library as a page's bundler would make it, minified, in one file. */
export async function bundleClient(): Promise<string> {
  const result = (await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: {
        input: ENTRY,
        preserveEntrySignatures: 'strict',
        output: { codeSplitting: false },
      },
    },
  })) as Rollup.RollupOutput;
  const [chunk] = result.output;
  return chunk.code;
}
