import { readdirSync } from 'node:fs';

// The list comes from the sources, so that the compiled rest of a spec that was removed is never run.
const spec = readdirSync('spec', { recursive: true })
  .filter((file) => file.endsWith('.spec.ts'))
  .sort()
  .map((file) => `dist/spec/${file.replace(/\.ts$/, '.js')}`);

// Specs that are named on the command line are run alone: mocha would add them to these.
const areNamed = process.argv.slice(2).some((argument) => /\.spec\.[jt]s$/.test(argument));

export default {
  spec: areNamed ? [] : spec,
  // A hang is the only thing that this is for: what a spec waits for has a limit, and a message, of its own.
  timeout: 180_000,
  slow: 2_000,
  'fail-zero': true,
  'enable-source-maps': true,
};
