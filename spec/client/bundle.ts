import { fileURLToPath } from 'node:url';
import { build, type Rollup } from 'vite';

const ENTRY = fileURLToPath(new URL('../../../packages/client/dist/client.js', import.meta.url));

/** The client library as a page's bundler would make it, minified, in one file. */
export async function bundleClient(external: readonly string[] = []): Promise<string> {
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
        external: [...external],
        preserveEntrySignatures: 'strict',
        output: { codeSplitting: false },
      },
    },
  })) as Rollup.RollupOutput;
  const [chunk] = result.output;
  return chunk.code;
}
