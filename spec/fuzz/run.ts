/** `npm run fuzz`: the long run. */
import { fuzz } from './fuzz.js';

const inputs = Number(process.argv[2] ?? 200_000);
const started = performance.now();
const result = await fuzz({ inputs, onProgress: (line) => console.log(line), settleMs: 12_000 });
const [before, after] = result.heapBytes;
const total = Object.values(result.inputs).reduce((sum, count) => sum + count, 0);
console.log(
  `\n${total} inputs in ${Math.round((performance.now() - started) / 1000)} s: ${result.findings.length} findings, ` +
    `longest turn ${result.longestTurnMs.toFixed(1)} ms, heap ${(before / 2 ** 20).toFixed(1)} → ${(after / 2 ** 20).toFixed(1)} MiB, ` +
    `${result.connectionsLeft} connections left`,
);
for (const finding of result.findings) console.log(`  ${finding}`);
process.exit(result.findings.length === 0 && result.longestTurnMs < 50 && after < before * 1.1 ? 0 : 1);
