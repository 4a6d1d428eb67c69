/** The checks. Each looks for one common fault between a hub and its clients; none changes anything. */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../output.js';
import { begin, exchange, upgrade } from './exchange.js';
import type { Finding } from './finding.js';

/** The hub under examination. */
export interface Patient {
  readonly url: string;
  readonly token: string | undefined;
  /** Number of nodes in the cluster. Undefined: the hub tells only operators. */
  readonly instances: number | undefined;
  /** Whether a proxy forwards the client's address. Undefined: the hub tells only operators. */
  readonly behindProxy: boolean | undefined;
  /** How long idle connections are watched, ms. */
  readonly waitMs: number;
  /** A stream that may be read; undefined if there is none. */
  readonly stream: string | undefined;
}

export type Check = (patient: Patient) => Promise<Finding | Finding[]>;

/** The hub writes immediately; a proxy that delays its first bytes longer than this delays messages too. */
const FIRST_BYTES_MS = 3_000;
const ANSWER_MS = 5_000;
const POLLS = 8;
/** With one node, every request reaches the right one. */
const ALONE = 'there is only one node';
/** Tolerance: a connection that ends more than this before the end of the watch counts as cut. */
const EARLY_MS = 200;

const MEND = {
  buffering: `location = /stream { proxy_buffering off; gzip off; }   # and no proxy_ignore_headers X-Accel-Buffering`,
  readTimeout: `location ~ ^/(socket\\.io|msgpack|ws|stream) { proxy_read_timeout 20s; proxy_send_timeout 1h; }
Any limit above 15 s will do; other proxies call it "idle timeout".`,
  stickiness: `upstream hub { ip_hash; server …; server …; }   # or another rule that sends a client to one node
If there is another proxy in front of this one: set_real_ip_from its address; real_ip_header X-Forwarded-For;`,
  upgrade: `proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";`,
  forwarded:
    'proxy_set_header X-Forwarded-For $remote_addr;   # and name the proxy in the TRUST_PROXY of the nodes',
} as const;

function authorization({ token }: Patient): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** A topic that nobody publishes to. */
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
    return { check, state: 'skipped', what: 'there is no stream that may be read; --token may help' };
  try {
    const { response, end } = await begin(streamAsk(patient), ANSWER_MS);
    try {
      if (response.statusCode !== 200)
        return { check, state: 'failed', what: `/stream answers ${response.statusCode}` };
      if (response.headers['content-encoding'] !== undefined) {
        return {
          check,
          state: 'failed',
          what: `event streams are compressed (${response.headers['content-encoding']}), which delays them`,
          mend: MEND.buffering,
        };
      }
      const first = await Promise.race([
        new Promise<true>((resolve) => response.once('data', () => resolve(true))),
        delay(FIRST_BYTES_MS, false),
      ]);
      return first
        ? { check, state: 'ok', what: 'event streams arrive immediately' }
        : {
            check,
            state: 'failed',
            what: 'a proxy buffers event streams: messages would arrive late and in bursts',
            mend: MEND.buffering,
          };
    } finally {
      end();
    }
  } catch (error) {
    return { check, state: 'failed', what: `/stream: ${messageOf(error)}`, mend: MEND.buffering };
  }
};

/** Watches an idle connection. @returns after how many ms it was cut; undefined if it lasted. */
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
    return { check, state: 'ok', what: `an idle ${what} lasts for at least ${waitMs / 1000} s` };
  }
  return {
    check,
    state: 'failed',
    what: `an idle ${what} is cut after ${(cutMs / 1000).toFixed(1)} s, before the hub's next heartbeat`,
    mend: MEND.readTimeout,
  };
}

const quietStream: Check = async (patient) => {
  const check = 'read-timeout-sse';
  if (patient.stream === undefined)
    return { check, state: 'skipped', what: 'there is no stream that may be read; --token may help' };
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
  // A mask of zeros leaves the text unchanged.
  return Buffer.concat([
    Buffer.from([0x80 | opcode, 0x80 | Buffer.byteLength(text), 0, 0, 0, 0]),
    Buffer.from(text),
  ]);
}

/** Answers pings, so that the hub has no reason to close the connection. */
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
    return blocked(`/ws answers a WebSocket handshake with ${status}: the upgrade is blocked`);
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
  if (patient.instances !== undefined && patient.instances < 2)
    return { check, state: 'skipped', what: ALONE };
  const address = `${patient.url}/socket.io/?EIO=4&transport=polling`;
  try {
    const opened = await exchange({ url: address });
    const sid = /"sid":"([^"]+)"/.exec(opened.text)?.[1];
    if (sid === undefined)
      return {
        check,
        state: 'failed',
        what: `the first long-polling request was answered with ${opened.status}`,
      };
    const session = `${address}&sid=${encodeURIComponent(sid)}`;
    for (let poll = 1; poll <= POLLS; poll++) {
      // An unsolicited pong: the smallest packet there is.
      const { status } = await exchange({ url: session, method: 'POST', body: '3' });
      if (status !== 200) {
        return {
          check,
          state: 'failed',
          what: `request ${poll} of a client reached another node (${status}): long polling fails`,
          mend: MEND.stickiness,
        };
      }
    }
    await exchange({ url: session, method: 'POST', body: '1' });
    return { check, state: 'ok', what: `${POLLS} requests of one client reached the same node` };
  } catch (error) {
    return { check, state: 'failed', what: `long polling: ${messageOf(error)}`, mend: MEND.stickiness };
  }
};

const forwarded: Check = async ({ behindProxy, instances }) => {
  const check = 'client-address';
  if (instances === undefined || behindProxy === undefined)
    return {
      check,
      state: 'skipped',
      what: 'the hub tells only operators: give the token of an administrator',
    };
  if (behindProxy) return { check, state: 'ok', what: 'the proxy forwards client addresses' };
  if (instances < 2)
    return { check, state: 'skipped', what: 'there is no proxy, or it does not forward client addresses' };
  return {
    check,
    state: 'warning',
    what: 'no proxy forwards client addresses: all clients appear under one address and share its limits',
    mend: MEND.forwarded,
  };
};

export const CHECKS: readonly Check[] = [buffering, quietStream, webSocket, stickiness, forwarded];
