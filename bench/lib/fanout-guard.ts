/**
 * Whether the hub's fan-out, as a ratio to stock Socket.IO in the same run, is still at least half of the recorded one.
 * It detects a broken fast path in spite of a noisy machine, but no differences of a few percent: CPU time hardly
 * depends on what else the machine does, and one good round is enough.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hub, STOCK } from '../peers/peers.js';
import { oneTopic } from './cases.js';
import { PublisherBehind, runCase } from './run-case.js';

const RECORD = fileURLToPath(new URL('../../../bench/fanout-ratio.json', import.meta.url));

/** The case that both servers are measured with. */
const GUARD_CASE = oneTopic(1_000, 1_000);
const ROUND = { seconds: 2, warmupSeconds: 0.5 };

export interface GuardResult {
  /** Deliveries per CPU-second, as a ratio to stock Socket.IO's, by round. Fewer if the machine was too busy. */
  readonly ratios: readonly number[];
  readonly recorded: number;
  /** `unmeasured`: the publisher could not keep its pace in any round. */
  readonly verdict: 'holds' | 'fallen' | 'unmeasured';
}

/** The ratio in `bench/fanout-ratio.json`. */
export function recordedRatio(): number {
  return (JSON.parse(readFileSync(RECORD, 'utf8')) as { ratio: number }).ratio;
}

export interface GuardOptions {
  /** Most rounds, of some 9 s each; default 3. */
  readonly rounds?: number;
  /** A further round is started only if it will probably end before this time; default: no limit. */
  readonly withinMs?: number;
  /** Configuration of the hub. */
  readonly env?: Record<string, string>;
  readonly recorded?: number;
}

/** Measures the hub and stock Socket.IO in turn, until one round is good enough. */
export async function guardFanout(options: GuardOptions = {}): Promise<GuardResult> {
  const { rounds = 3, withinMs = Number.POSITIVE_INFINITY, env = {}, recorded = recordedRatio() } = options;
  const ratios: number[] = [];
  const started = performance.now();
  for (let round = 1; round <= rounds; round++) {
    const ratio = await measuredRatio(env);
    if (ratio !== undefined) ratios.push(ratio);
    if (ratio !== undefined && ratio >= recorded / 2) return { ratios, recorded, verdict: 'holds' };
    const elapsed = performance.now() - started;
    if (elapsed + elapsed / round > withinMs) break;
  }
  return { ratios, recorded, verdict: ratios.length === 0 ? 'unmeasured' : 'fallen' };
}

async function measuredRatio(env: Record<string, string>): Promise<number | undefined> {
  try {
    const own = await runCase(hub('socketio', env), GUARD_CASE, ROUND);
    const stock = await runCase(STOCK, GUARD_CASE, ROUND);
    return own.perCpuSecond / stock.perCpuSecond;
  } catch (error) {
    if (error instanceof PublisherBehind) return undefined;
    throw error;
  }
}

/** The result in one line. */
export function guardLine({ ratios, recorded, verdict }: GuardResult): string {
  if (verdict === 'unmeasured') return 'The machine was too busy to measure the fan-out.';
  const measured = ratios.map((ratio) => ratio.toFixed(1)).join(', ');
  return `${GUARD_CASE.name}: ${measured} times the deliveries per CPU-second of stock Socket.IO; recorded: ${recorded}.`;
}
