import { fileURLToPath } from 'node:url';
import { build, type Rollup } from 'vite';

const ENTRY = fileURLToPath(new URL('../../../packages/client/dist/client.js', import.meta.url));

/**
 * The client library alone as one minified ES module: no `socket.io-client`, and nothing that a bundler adds for the
 * sake of a whole page. Vite's code for preloading stylesheets of what is imported later has 0.7 KiB, once for the
 * page, and only a build for servers does without.
 */
export async function minifyClient(): Promise<string> {
  const { output } = (await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: true, target: 'es2022', ssr: ENTRY },
  })) as Rollup.RollupOutput;
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
