/**
 * The payload that the Redis log publishes on the adapter's channel, one for each commit.
 *
 * A msgpack array `["hub", nil, epoch, first, time, [key, data, key, data, …]]`, made by `append.lua`; in a cluster or
 * with traces there is a seventh element `[server, "trace trace …"]`, with one trace for each message. The stock
 * adapter expects a packet as the second element: it finds none and drops the payload without an error, so stock
 * Socket.IO nodes and emitters may share the Redis.
 */

import { isBoundedMsgpack } from '@axiom-streaming/protocol/msgpack-guard';
import notepack from 'notepack.io';
import type { LogBatch } from './stream-log.js';

/** fixstr(3) "hub", nil */
const MAGIC = Buffer.from([0xa3, 0x68, 0x75, 0x62, 0xc0]);
/** fixarray(6) and fixarray(7) */
const [PLAIN, WITH_MORE] = [0x96, 0x97];

/** Whether a payload is the hub's, judged by its first bytes. */
export function isHubPayload(payload: Buffer): boolean {
  if (payload[0] !== PLAIN && payload[0] !== WITH_MORE) return false;
  return payload.length > MAGIC.length + 1 && MAGIC.compare(payload, 1, MAGIC.length + 1) === 0;
}

/** @throws Error if the payload is damaged. */
export function decodePayload(stream: string, payload: Buffer): LogBatch {
  const bounded = isBoundedMsgpack(payload);
  const [, , epoch, first, time, fields, more = ['', '']] = bounded
    ? (notepack.decode(payload) as unknown[])
    : [];
  if (
    typeof epoch !== 'string' ||
    !Number.isSafeInteger(first) ||
    !Number.isSafeInteger(time) ||
    !Array.isArray(fields) ||
    fields.length % 2 !== 0 ||
    !Array.isArray(more)
  ) {
    throw new Error(`damaged hub payload on stream "${stream}"`);
  }
  const keys: string[] = [];
  const data: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    keys.push(String(fields[i]));
    data.push(String(fields[i + 1]));
  }
  const batch = { stream, epoch, first: first as number, time: time as number, keys, data };
  const [server, traces] = more.map(String);
  return {
    ...batch,
    ...(server ? { server } : {}),
    ...(traces ? { traces: traces.split(' ').map((trace) => (trace === '-' ? undefined : trace)) } : {}),
  };
}
