/** The checks, each of one thing that goes wrong between a hub and its clients. None changes anything. */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../output.js';
import { begin, exchange, upgrade } from './exchange.js';
import type { Finding } from './finding.js';

/** The hub that is examined. */
export interface Patient {
  readonly url: string;
  readonly token: string | undefined;
  /** Nodes of the cluster. */
  readonly instances: number;
  /** A proxy says for whom it asks. */
  readonly behindProxy: boolean;
  /** How long quiet connections are watched. */
  readonly waitMs: number;
  /** One that may be read; undefined: there is none. */
  readonly stream: string | undefined;
}

export type Check = (patient: Patient) => Promise<Finding | Finding[]>;

/** The hub writes at once; a proxy that holds this back holds back messages. */
const FIRST_BYTES_MS = 3_000;
const ANSWER_MS = 5_000;
const POLLS = 8;
/** A node that is alone cannot be missed. */
const ALONE = 'there is only one node';
/** A quiet connection that is cut earlier than this before the end was not cut by the hub. */
const EARLY_MS = 200;

const MEND = {
  buffering: `location = /stream { proxy_buffering off; gzip off; }   # and no proxy_ignore_headers X-Accel-Buffering`,
  readTimeout: `location ~ ^/(socket\\.io|msgpack|ws|stream) { proxy_read_timeout 1h; proxy_send_timeout 1h; }
Any limit above 25 s will do; another proxy's name for it is "idle timeout".`,
  stickiness: `upstream hub { ip_hash; server …; server …; }   # or another rule that sends a client to one node
Where a proxy stands before this one: set_real_ip_from its address; real_ip_header X-Forwarded-For;`,
  upgrade: `proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";`,
  forwarded:
    'proxy_set_header X-Forwarded-For $remote_addr;   # and TRUST_PROXY of the nodes names the proxy',
} as const;

function authorization({ token }: Patient): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** A topic on which nobody publishes. */
function quietTopic(patient: Patient): string {
  return `${patient.stream}:axiom-doctor`;
}

const streamAsk = (patient: Patient) => ({
  url: `${patient.url}/stream?topics=${quietTopic(patient)}`,
  headers: { ...authorization(patient), Accept: 'text/event-stream', 'Accept-Encoding': 'gzip' },
});

const buffering: Check = async (patient) => {
  const check = 'buffering';
  if (patient.stream === undefined)
    return { check, state: 'skipped', what: 'no stream may be read; --token may help' };
  try {
    const { response, end } = await begin(streamAsk(patient), ANSWER_MS);
    try {
      if (response.statusCode !== 200)
        return { check, state: 'failed', what: `/stream answers ${response.statusCode}` };
      if (response.headers['content-encoding'] !== undefined) {
        return {
          check,
          state: 'failed',
          what: `event streams are compressed (${response.headers['content-encoding']}), and so held back`,
          mend: MEND.buffering,
        };
      }
      const first = await Promise.race([
        new Promise<true>((resolve) => response.once('data', () => resolve(true))),
        delay(FIRST_BYTES_MS, false),
      ]);
      return first
        ? { check, state: 'ok', what: 'event streams come at once' }
        : {
            check,
            state: 'failed',
            what: 'a proxy holds event streams back: messages would come late, in heaps',
            mend: MEND.buffering,
          };
    } finally {
      end();
    }
  } catch (error) {
    return { check, state: 'failed', what: `/stream: ${messageOf(error)}`, mend: MEND.buffering };
  }
};

/** Watches something quiet. @returns ms after which it was over, undefined: it lasted. */
function lastsMs(
  stream: { once(event: 'close' | 'end', listener: () => void): unknown },
  waitMs: number,
): Promise<number | undefined> {
  const startedAt = performance.now();
  return Promise.race([
    new Promise<number>((resolve) => {
      for (const event of ['close', 'end'] as const)
        stream.once(event, () => resolve(performance.now() - startedAt));
    }),
    delay(waitMs, undefined),
  ]);
}

function timeLimit(check: string, what: string, cutMs: number | undefined, waitMs: number): Finding {
  if (cutMs === undefined || cutMs > waitMs - EARLY_MS) {
    return { check, state: 'ok', what: `a quiet ${what} lasts for ${waitMs / 1000} s and more` };
  }
  return {
    check,
    state: 'failed',
    what: `a quiet ${what} is cut after ${(cutMs / 1000).toFixed(1)} s, before the hub's next heartbeat`,
    mend: MEND.readTimeout,
  };
}

const quietStream: Check = async (patient) => {
  const check = 'read-timeout-sse';
  if (patient.stream === undefined)
    return { check, state: 'skipped', what: 'no stream may be read; --token may help' };
  try {
    const { response, end } = await begin(streamAsk(patient), ANSWER_MS);
    if (response.statusCode !== 200)
      return { check, state: 'skipped', what: `/stream answers ${response.statusCode}` };
    response.on('error', () => response.destroy());
    response.resume();
    const cutMs = await lastsMs(response, patient.waitMs);
    end();
    return timeLimit(check, 'event stream', cutMs, patient.waitMs);
  } catch (error) {
    return { check, state: 'skipped', what: `/stream: ${messageOf(error)}` };
  }
};

/** A masked text frame, as a client sends it; the text is shorter than 126 bytes. */
function clientFrame(opcode: number, text: string): Buffer {
  // A mask of zeros leaves the text as it is.
  return Buffer.concat([
    Buffer.from([0x80 | opcode, 0x80 | Buffer.byteLength(text), 0, 0, 0, 0]),
    Buffer.from(text),
  ]);
}

/** Answers pings, so that the hub has no reason to leave. */
function answerPings(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    if (data[0] === 0x89) socket.write(clientFrame(0xa, ''));
  });
}

const webSocket: Check = async (patient) => {
  const blocked = (what: string): Finding => ({
    check: 'upgrade',
    state: 'failed',
    what,
    mend: MEND.upgrade,
  });
  let opened: Awaited<ReturnType<typeof upgrade>>;
  try {
    opened = await upgrade({ url: `${patient.url}/ws`, headers: authorization(patient) });
  } catch (error) {
    return blocked(`/ws: ${messageOf(error)}`);
  }
  const { socket, status } = opened;
  if (socket === undefined)
    return blocked(`/ws answers ${status} to a WebSocket handshake: the upgrade does not get through`);
  const findings: Finding[] = [{ check: 'upgrade', state: 'ok', what: 'WebSockets get through' }];
  if (patient.stream !== undefined) {
    answerPings(socket);
    socket.resume();
    socket.write(clientFrame(1, JSON.stringify({ op: 'subscribe', topics: [quietTopic(patient)] })));
    findings.push(
      timeLimit('read-timeout-websocket', 'WebSocket', await lastsMs(socket, patient.waitMs), patient.waitMs),
    );
  }
  socket.destroy();
  return findings;
};

const stickiness: Check = async (patient) => {
  const check = 'stickiness';
  if (patient.instances < 2) return { check, state: 'skipped', what: ALONE };
  const address = `${patient.url}/socket.io/?EIO=4&transport=polling`;
  try {
    const opened = await exchange({ url: address });
    const sid = /"sid":"([^"]+)"/.exec(opened.text)?.[1];
    if (sid === undefined)
      return { check, state: 'failed', what: `long polling begins with ${opened.status}` };
    const session = `${address}&sid=${encodeURIComponent(sid)}`;
    for (let poll = 1; poll <= POLLS; poll++) {
      // A pong that nobody asked for: the least that one can say.
      const { status } = await exchange({ url: session, method: 'POST', body: '3' });
      if (status !== 200) {
        return {
          check,
          state: 'failed',
          what: `request ${poll} of a client reaches another node (${status}): long polling fails`,
          mend: MEND.stickiness,
        };
      }
    }
    await exchange({ url: session, method: 'POST', body: '1' });
    return { check, state: 'ok', what: `${POLLS} requests of one client reach one node` };
  } catch (error) {
    return { check, state: 'failed', what: `long polling: ${messageOf(error)}`, mend: MEND.stickiness };
  }
};

const forwarded: Check = async ({ behindProxy, instances }) => {
  const check = 'client-address';
  if (behindProxy) return { check, state: 'ok', what: 'the proxy says for whom it asks' };
  if (instances < 2)
    return { check, state: 'skipped', what: 'there is no proxy, or it does not say for whom it asks' };
  return {
    check,
    state: 'warning',
    what: 'no proxy says for whom it asks: all clients have one address, and share its limits',
    mend: MEND.forwarded,
  };
};

export const CHECKS: readonly Check[] = [buffering, quietStream, webSocket, stickiness, forwarded];
