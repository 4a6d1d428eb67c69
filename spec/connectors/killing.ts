/** Kills a connector again and again while it works, and accounts for every row. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Message } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';

/** Kills the process with SIGKILL at random moments, starting it again each time. @returns ms of each life */
export async function killRepeatedly(process: ManagedProcess, times: number): Promise<number[]> {
  const lives: number[] = [];
  for (let i = 0; i < times; i++) {
    const started = performance.now();
    // From the middle of its start to some way into its work.
    const lifeMs = 20 + Math.random() * 700;
    await delay(lifeMs);
    await process.stop('SIGKILL');
    lives.push(Math.round(performance.now() - started));
    await process.start();
  }
  return lives;
}

/** Stops the process in the middle of its work, so that it goes on with what it had read long ago. */
export async function haltForAWhile(process: ManagedProcess): Promise<void> {
  process.signal('SIGSTOP');
  await delay(300);
  process.signal('SIGCONT');
  await delay(200);
}

/** A row whose message is expected: `n` ascends per key. */
export interface ExpectedRow {
  readonly key: string;
  readonly n: number;
}

/** Compares source rows with delivered messages: one to one, in order per key. @returns what a table shows */
export function account(
  name: string,
  rows: readonly ExpectedRow[],
  messages: readonly Message[],
  rowOf: (message: Message) => ExpectedRow,
): { connector: string; rows: number; messages: number; lost: number; doubled: number; disordered: number } {
  const label = ({ key, n }: ExpectedRow) => `${key} ${n}`;
  const delivered = messages.map(rowOf);
  const counts = new Map<string, number>();
  for (const row of delivered) counts.set(label(row), (counts.get(label(row)) ?? 0) + 1);
  const expected = new Set(rows.map(label));
  const lost = [...expected].filter((row) => !counts.has(row)).length;
  const doubled = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
  const strange = [...counts.keys()].filter((row) => !expected.has(row));
  expect(strange, 'messages of no row').to.deep.equal([]);
  const last = new Map<string, number>();
  let disordered = 0;
  for (const { key, n } of delivered) {
    if (n <= (last.get(key) ?? 0)) disordered += 1;
    last.set(key, n);
  }
  return { connector: name, rows: rows.length, messages: messages.length, lost, doubled, disordered };
}

/** The table that a run of kills prints. */
export function printAccount(kills: number, row: ReturnType<typeof account>): void {
  const { connector, rows, messages, lost, doubled, disordered } = row;
  console.log(
    `      ${connector}: ${kills} kills, ${rows} source rows, ${messages} messages, ` +
      `${lost} lost, ${doubled} doubled, ${disordered} out of order`,
  );
}
