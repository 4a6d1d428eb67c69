/**
 * Validates what arrives from the network, once, at the entrance. From here on it has the types of the protocol; a
 * frame that does not fit them is ignored, like one of a later version.
 */
import type { EventFrame } from '@axiom-streaming/protocol/frames';
import type { OperationName } from '@axiom-streaming/protocol/requests';
import { HubError } from './hub-error.js';
import type { LinkAnswers, Outcome } from './link.js';

/** An acknowledgement's error, the `data` of a `connect_error`, or problem details. */
interface Told {
  readonly code: string;
  readonly message?: string;
  readonly detail?: string;
  readonly field?: string;
  readonly retryAfterMs?: number;
}

/** @returns undefined if it is not JSON */
export function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** An event of Socket.IO or SSE as the frame of a WebSocket. A `position` of Socket.IO is a cursor alone. */
export function asFrame(op: string, info: unknown, cursor: unknown): unknown {
  if (op === 'message') return { op, message: info, cursor };
  return isRecord(info) ? { ...info, op, cursor } : { op, cursor: info };
}

/** Whether it has the fields of an event that the client reads. Events with unknown names are ignored. */
export function isEvent(value: unknown): value is EventFrame {
  if (!isRecord(value)) return false;
  const { op, cursor, message, stream, topics } = value;
  if (op === 'gap') return typeof stream === 'string' && Array.isArray(topics);
  if (op === 'message' && !(isRecord(message) && typeof message.topic === 'string')) return false;
  return typeof op === 'string' && (typeof cursor === 'string' || !/^(message|position)$/.test(op));
}

/** @param named the operation that it answers */
export function readAck<Name extends OperationName>(ack: unknown, named: Name): Outcome<Name> {
  if (isAnswer(ack, named)) return ack;
  return { ok: false, error: readError(isRecord(ack) ? ack.error : ack, 'internal', 'refused') };
}

/** The error that the hub reports, or a substitute. */
export function readError(value: unknown, code: string, message: string): HubError {
  return isTold(value)
    ? new HubError(value.code, value.message ?? value.detail ?? message, value.field, value.retryAfterMs)
    : new HubError(code, message);
}

function isAnswer<Name extends OperationName>(
  value: unknown,
  named: Name,
): value is LinkAnswers[Name] & { readonly ok: true } {
  return isRecord(value) && value.ok === true && (named !== 'subscribe' || Array.isArray(value.topics));
}

function isTold(value: unknown): value is Told {
  return isRecord(value) && typeof value.code === 'string';
}
