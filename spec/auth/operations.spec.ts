/**
 * Every operation of a socket, and every way to open one, with every state of a token. What the operation itself does
 * is other specs' matter; here it is whether it is let through.
 */
import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { RunningNode } from '../../server/node/start-node.js';
import { connectOver } from '../support/subscribe.js';
import { bearer } from './support.js';
import { type NodeWithTokens, REFUSED, STATES, startWithTokens } from './token-states.js';

describe('Who may', () => {
  let app: RunningNode;
  let tokens: NodeWithTokens['tokens'];

  before(async () => {
    ({ app, tokens } = await startWithTokens());
  });
  after(() => app?.stop());

  const OPERATIONS: readonly [name: string, operation: string, body: object, none: string, narrow: string][] =
    [
      ['subscribe to all', 'subscribe', { topics: ['news:a'] }, 'ok', 'ok'],
      ['subscribe', 'subscribe', { topics: ['portfolio:p1'] }, 'token_missing', 'denied'],
      ['subscribe to a stream', 'subscribe', { topics: ['portfolio:*'] }, 'token_missing', 'denied'],
      ['recover', 'subscribe', { topics: ['news:a', 'portfolio:p1'], since: '-' }, 'token_missing', 'denied'],
      ['look back', 'subscribe', { topics: ['portfolio:p1'], rewind: 1 }, 'token_missing', 'denied'],
      ['read history', 'history', { topic: 'portfolio:p1' }, 'token_missing', 'denied'],
      ['publish', 'publish', { topic: 'portfolio:p1', data: 1 }, 'token_missing', 'denied'],
      ['publish where all may read', 'publish', { topic: 'news:a', data: 1 }, 'token_missing', 'denied'],
    ];
  const SOCKETS = [
    ['socketio', 'socketio'],
    ['socketio with msgpack', 'msgpack'],
    ['websocket', 'websocket'],
  ] as const;

  for (const [transport, kind] of SOCKETS) {
    for (const state of ['none', 'narrow', 'right'] as const) {
      for (const [name, operation, body, none, narrow] of OPERATIONS) {
        const expected = { none, narrow, right: 'ok' }[state];
        it(`${name} over ${transport} with the token "${state}": ${expected}`, async () => {
          const client = await connectOver(kind, { url: app.url, token: tokens[state] });
          const ack = await client.request(operation, body);
          expect(ack.ok ? 'ok' : ack.error?.code).to.equal(expected);
          client.close();
        });
      }
    }

    for (const state of STATES.filter((each) => REFUSED[each] !== undefined)) {
      const [status, code] = REFUSED[state]!.split(' ');
      it(`connect over ${transport} with the token "${state}": ${code}`, async () => {
        if (kind === 'websocket') {
          const refused = await upgrade(tokens[state]);
          expect(refused).to.deep.equal({ status: Number(status), code });
          return;
        }
        // It rejects only where the client does not try again.
        const error = await connectOver(kind, { url: app.url, token: tokens[state] }).then(
          () => undefined,
          (reason: Error & { data?: { code: string } }) => reason,
        );
        expect(error?.data?.code).to.equal(code);
      });

      it(`say who they are later over ${transport} with the token "${state}": ${code}`, async () => {
        const client = await connectOver(kind, { url: app.url, token: '' });
        const ack = await client.request('auth', { token: tokens[state] });
        expect(ack.error).to.include({ code, field: 'token' });
        client.close();
      });
    }

    it(`say who they are later over ${transport}, and read more then`, async () => {
      const client = await connectOver(kind, { url: app.url, token: '' });
      const ack = await client.request('auth', { token: tokens.right });
      expect(ack).to.deep.include({ ok: true, subject: 'alice', topics: [], ended: [] });
      expect((ack.streams as { name: string }[]).map(({ name }) => name)).to.include('portfolio');
      expect((await client.request('subscribe', { topics: ['portfolio:*'] })).ok).to.equal(true);
      client.close();
    });
  }

  /** Raw: a client does not tell with what it was refused. */
  function upgrade(text: string): Promise<{ status: number; code: string }> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`, { headers: bearer(text) });
      socket.on('open', () => reject(new Error('it was let in')));
      socket.on('error', () => undefined);
      socket.on('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += String(chunk);
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, code: JSON.parse(body).code }));
      });
    });
  }
});
