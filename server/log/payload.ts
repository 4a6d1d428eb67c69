/**
 * What the Redis log publishes on the adapter's channel, one payload for each commit.
 *
 * A msgpack array `["hub", nil, epoch, first, time, [key, data, key, data, …]]`, made by `append.lua`. The second
 * element stands where the stock adapter looks for a packet: it finds none and drops the payload without an error, so
 * stock Socket.IO nodes and emitters may share the Redis.
 */
import notepack from 'notepack.io';
import { isBoundedMsgpack } from '../protocol/msgpack-guard.js';
import type { LogBatch } from './stream-log.js';

/** fixarray(6), fixstr(3) "hub", nil */
const MAGIC = Buffer.from([0x96, 0xa3, 0x68, 0x75, 0x62, 0xc0]);

/** True for a payload of the hub, by its first bytes. */
export function isHubPayload(payload: Buffer): boolean {
  return payload.length > MAGIC.length && MAGIC.compare(payload, 0, MAGIC.length) === 0;
}

/** @throws Error where the payload is damaged. */
export function decodePayload(stream: string, payload: Buffer): LogBatch {
  const bounded = isBoundedMsgpack(payload);
  const [, , epoch, first, time, fields] = bounded ? (notepack.decode(payload) as unknown[]) : [];
  if (
    typeof epoch !== 'string' ||
    !Number.isSafeInteger(first) ||
    !Number.isSafeInteger(time) ||
    !Array.isArray(fields) ||
    fields.length % 2 !== 0
  ) {
    throw new Error(`damaged hub payload on stream "${stream}"`);
  }
  const keys: string[] = [];
  const data: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    keys.push(String(fields[i]));
    data.push(String(fields[i + 1]));
  }
  return { stream, epoch, first: first as number, time: time as number, keys, data };
}
