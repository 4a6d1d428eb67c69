/** A plain WebSocket. */
import type { EventFrame } from '@axiom-streaming/protocol/frames';
import { HubError } from './hub-error.js';
import type { Link, LinkOptions } from './link.js';
import { isEvent, isRecord, parse, readAck } from './wire.js';

/** After this time without a frame the client sends a request to check the hub, as browsers do not see pings. */
const SILENCE_MS = 30_000;
const ANSWER_MS = 10_000;
/** Close codes after which reconnecting cannot help without a change: `bad_request`, `token`, `denied`. */
const FINAL = /^440[013]$/;
/** Not a literal in the `import`, so that no bundler includes it in a page, or looks for it. */
const PACKAGE = 'ws';

export async function openWebSocket({ url, token, listener }: LinkOptions): Promise<Link> {
  // Node.js before 22 has no WebSocket; the package has everything that is used of the standard one.
  const Socket: typeof WebSocket =
    globalThis.WebSocket ?? (await import(/* @vite-ignore */ /* webpackIgnore: true */ PACKAGE)).default;
  const socket = new Socket(`${url.replace(/^http/, 'ws')}/ws`);
  /** What to do with the acknowledgement of each request that has none yet, by its id. */
  const pending = new Map<unknown, (ack: unknown) => void>();
  let nextId = 1;
  let silence: ReturnType<typeof setTimeout> | undefined;

  const request: Link['request'] = (operation, body, done) => {
    const id = nextId++;
    pending.set(id, (ack) => done(readAck(ack, operation)));
    // Here `id` is that of the request; a publication's id has another name.
    const { id: messageId, ...rest } = { id: undefined, ...body };
    socket.send(JSON.stringify({ ...rest, messageId, op: operation, id }));
  };
  /** With a token, the connection is ready once the hub has accepted it: earlier requests would be refused. */
  const welcomed = (frame: EventFrame & { readonly op: 'welcome' }) => {
    if (!token) listener.event(frame);
    else
      request('auth', { token }, (ack) => {
        if (ack.ok) listener.event({ ...frame, streams: ack.streams });
        else listener.closed(ack.error);
      });
  };
  const check = () => {
    silence = setTimeout(() => listener.closed(new HubError('timeout', 'no answer')), ANSWER_MS);
    // Nobody reads this topic, and unsubscribing is always allowed: only the answer matters.
    request('unsubscribe', { topics: ['system:-'] }, () => undefined);
  };

  socket.onmessage = ({ data }) => {
    clearTimeout(silence);
    silence = setTimeout(check, SILENCE_MS);
    const frame = parse(data);
    if (isRecord(frame) && frame.op === 'ack') {
      const done = pending.get(frame.id);
      pending.delete(frame.id);
      done?.(frame);
    } else if (isEvent(frame)) {
      if (frame.op === 'welcome') welcomed(frame);
      else listener.event(frame);
    }
  };
  // The close event that follows says the same.
  socket.onerror = () => undefined;
  socket.onclose = ({ code, reason }) => {
    const error = new HubError(reason || 'unreachable', `${url}: closed with ${code}`);
    listener.closed(error, FINAL.test(`${code}`));
  };
  return {
    request,
    close: () => {
      clearTimeout(silence);
      socket.onmessage = null;
      socket.close();
      for (const done of pending.values()) done({ error: new HubError('unreachable', 'connection lost') });
      pending.clear();
    },
  };
}
