/**
 * Fails when the hub's fan-out, as a ratio to stock Socket.IO in the same run, has fallen below half of the recorded
 * one. Two short rounds: it tells a broken fast path from a noisy machine, not a percent from another.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fanoutCase, fanoutTable } from './fanout.js';
import { oneTopic } from './lib/cases.js';
import { hub, STOCK } from './peers/peers.js';

const RECORD = fileURLToPath(new URL('../../bench/fanout-ratio.json', import.meta.url));

const { ratio: recorded } = JSON.parse(readFileSync(RECORD, 'utf8')) as { ratio: number };
const result = await fanoutCase(oneTopic(500, 500), [hub('socketio'), STOCK], 2);
console.log(fanoutTable(result));
const [own, stock] = result.rows;
const ratio = own!.perCpuSecond / stock!.perCpuSecond;
console.log(`Deliveries per CPU-second: ${ratio.toFixed(1)} times stock Socket.IO's; recorded: ${recorded}.`);
if (ratio < recorded / 2) {
  console.error(`The fan-out has fallen below half of the recorded ratio (${recorded}).`);
  process.exit(1);
}
