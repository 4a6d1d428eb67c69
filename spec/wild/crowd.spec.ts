/**
 * As many clients behind one address as an office has, with the defaults of the hub, of NGINX and of their libraries.
 */
import { expect } from 'chai';
import { io, type Socket } from 'socket.io-client';
import type { LocalCluster, LocalNode } from '../../server/local-cluster/local-cluster.js';
import { bearer, SECRET, token } from '../auth/support.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { publish } from '../support/http.js';
import { SseTestClient } from '../support/sse-client.js';
import { until } from '../support/wait.js';

const OF_EACH = 300;
/** One address for all of them, which is not this machine's: those are not counted. */
const ADDRESS = '203.0.113.7';
const TOPIC = 'news:crowd';

/** What both kinds of client tell: where they are, and what they were given. */
interface Member {
  readonly node: string;
  readonly data: readonly unknown[];
  close(): void;
}

/** socket.io-client as it comes: its own transports, its own backoff. It subscribes as the README says. */
class SocketIoMember implements Member {
  node = '';
  readonly data: unknown[] = [];
  readonly #socket: Socket;
  #cursor: string | undefined;

  constructor(url: string) {
    this.#socket = io(url, { forceNew: true, extraHeaders: { 'X-Forwarded-For': ADDRESS } });
    this.#socket
      .on('connect', () => {
        if (!this.#socket.recovered) this.#socket.emit('subscribe', { topics: [TOPIC], since: this.#cursor });
      })
      .on('welcome', ({ node }: { node: string }) => {
        this.node = node;
      })
      .on('message', ({ data }: { data: unknown }, cursor: string) => {
        this.#cursor = cursor;
        this.data.push(data);
      });
  }

  /** Whether its library has given up. */
  get gaveUp(): boolean {
    return !this.#socket.active;
  }

  close(): void {
    this.#socket.disconnect();
  }
}

class SseMember implements Member {
  readonly client: SseTestClient;

  constructor(url: string) {
    this.client = new SseTestClient({ url, address: ADDRESS, token: '' }, { topics: [TOPIC] });
  }

  get node(): string {
    return this.client.seen.nodes.at(-1) ?? '';
  }

  get data(): readonly unknown[] {
    return this.client.seen.data();
  }

  get gaveUp(): boolean {
    return this.client.source.readyState === this.client.source.CLOSED;
  }

  close(): void {
    this.client.close();
  }
}

describe(`${OF_EACH} EventSources and ${OF_EACH} Socket.IO clients behind one address`, () => {
  let cluster: LocalCluster;
  let publisher: Record<string, string>;
  const members: (SocketIoMember | SseMember)[] = [];
  let published = 0;

  before(async () => {
    cluster = await startTestCluster({ env: { JWT_SECRET: SECRET, PUBLISH_KEY: '' } });
    publisher = bearer(await token({ publish: ['news:*'] }));
  });

  after(async () => {
    for (const member of members) member.close();
    await cluster?.stop();
  });

  const publishOne = async ({ url }: LocalNode) => {
    const { status } = await publish(url, TOPIC, published, publisher);
    expect(status).to.equal(201);
    published += 1;
  };
  const away = (from: string) =>
    members
      .filter(({ node }) => node === from || node === '')
      .map(({ gaveUp }) => (gaveUp ? 'gave up' : 'tries'));

  it('are all back and complete within 30 s when their node is killed', async () => {
    for (let i = 0; i < OF_EACH; i++) {
      const pair = [new SseMember(cluster.url), new SocketIoMember(cluster.url)];
      members.push(...pair);
      await until('both are there', () => pair.every(({ node }) => node !== ''));
    }
    const killed = nodeNamed(cluster, members[0]!.node);
    expect(new Set(members.map(({ node }) => node))).to.deep.equal(new Set([killed.name]));
    const survivor = cluster.nodes.find(({ name }) => name !== killed.name)!;
    // The last to come may still be subscribing: everybody begins with the same message.
    await until(
      'everybody reads',
      async () => {
        await publishOne(survivor);
        return members.every(({ data }) => data.length > 0);
      },
      { withinMs: 30_000 },
    );

    await killed.process.stop('SIGKILL');
    const killedAt = performance.now();
    await until(
      'all are elsewhere',
      async () => {
        await publishOne(survivor);
        return members.every(({ node }) => node !== killed.name);
      },
      { withinMs: 30_000, instead: () => ({ published, away: away(killed.name) }) },
    );
    await until('everything has arrived', () => members.every(({ data }) => data.at(-1) === published - 1));
    console.log(
      `      all ${members.length} were back and complete after ${Math.round(performance.now() - killedAt)} ms`,
    );
    for (const { data } of members) {
      const first = data[0] as number;
      expect(data).to.deep.equal(Array.from({ length: published - first }, (_, n) => first + n));
    }
  });
});
