/**
 * Runs every bench, one after the other, and writes the report: about 50 minutes on two cores. `--rounds` applies to
 * all of them; without it each has its own default. The header of each bench says what it does not measure.
 */
import { benchConnections } from './connections.js';
import { benchFanout } from './fanout.js';
import { benchFlood } from './flood.js';
import { benchLatency } from './latency.js';
import { needLinux } from './lib/main.js';
import { benchMemory } from './memory.js';
import { benchNeighbour } from './neighbour.js';
import { benchPublish } from './publish.js';
import { benchRecovery } from './recovery.js';
import { writeReport } from './report.js';
import { benchScale } from './scale.js';

needLinux();
const started = performance.now();
const all = [
  benchFanout,
  benchLatency,
  benchPublish,
  benchMemory,
  benchConnections,
  benchRecovery,
  benchScale,
  benchFlood,
  benchNeighbour,
];
for (const bench of all) {
  console.log(`\n— ${bench.name} —\n`);
  await bench();
}
writeReport();
console.log(`${Math.round((performance.now() - started) / 60_000)} minutes`);
