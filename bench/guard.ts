/**
 * Has the hub's fan-out fallen below half of the recorded ratio to stock Socket.IO? The best of up to three rounds
 * counts; exit code 1 if it has, or if it could not be measured. The specs make the same check.
 *
 * Not measured: smaller changes; `bench:fanout` gives exact figures.
 */
import { guardFanout, guardLine } from './lib/fanout-guard.js';
import { needLinux, option } from './lib/main.js';

needLinux();
const result = await guardFanout({ rounds: option('rounds', 3) });
console.log(guardLine(result));
if (result.verdict !== 'holds') {
  console.error(`The fan-out is not at least half of what is recorded (${result.recorded}).`);
  process.exit(1);
}
