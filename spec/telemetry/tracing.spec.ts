/** Spans of publications, as a collector gets them over OTLP. */
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { ConfigError, readConfig } from '../../server/config/config.js';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { startSecuredApp } from '../auth/support.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster, subscribeOnNode } from '../support/cluster.js';
import { publish, publishAll } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

/** A span of OTLP's JSON, with the resource that it came from. */
interface CollectedSpan {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number };
  readonly resource: readonly Attribute[];
}

interface Batch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<CollectedSpan, 'resource'>[] }[];
  }[];
}

const [PRODUCER, CLIENT, CONSUMER] = [4, 3, 5];

class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (incoming, response) => {
      let text = '';
      for await (const chunk of incoming) text += String(chunk);
      expect(incoming.url).to.equal('/v1/traces');
      for (const { resource, scopeSpans } of (JSON.parse(text) as Batch).resourceSpans) {
        for (const { spans } of scopeSpans)
          this.spans.push(...spans.map((span) => ({ ...span, resource: resource.attributes })));
      }
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
    });
  }

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The spans of a trace, once there are so many. */
  async trace(traceId: string, count: number): Promise<CollectedSpan[]> {
    const found = () => this.spans.filter((span) => span.traceId === traceId);
    await until(`${count} spans have come`, () => found().length >= count, {
      instead: () => found().map(({ name }) => name),
    });
    return found();
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function attribute(attributes: readonly Attribute[], name: string): string | undefined {
  const { stringValue, intValue } = attributes.find(({ key }) => key === name)?.value ?? {};
  return stringValue ?? (intValue === undefined ? undefined : String(intValue));
}

let traces = 0;
function newTrace(flags = '01'): { traceId: string; parent: string; traceparent: string } {
  traces += 1;
  const traceId = traces.toString(16).padStart(32, 'a');
  const parent = traces.toString(16).padStart(16, 'b');
  return { traceId, parent, traceparent: `00-${traceId}-${parent}-${flags}` };
}

describe('Tracing', () => {
  describe('of two nodes', () => {
    let collector: Collector;
    let cluster: LocalCluster;
    let clients: TestClient[] = [];

    before(async () => {
      collector = await Collector.start();
      cluster = await startTestCluster({
        nodes: 2,
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_SERVICE_NAME: 'hub-of-the-specs',
          OTEL_TRACES_SAMPLER: 'parentbased_always_off',
          OTEL_BSP_SCHEDULE_DELAY: '100',
        },
      });
      clients = await Promise.all(
        cluster.nodes.map(({ name }) => subscribeOnNode(cluster, name, 'websocket', { topics: ['news:*'] })),
      );
    });

    after(async () => {
      for (const client of clients) client.close();
      await cluster?.stop();
      collector?.close();
    });

    /** Checks publish → commit → fan-out on each node, of one message. */
    async function expectTree(traceId: string, parent: string, seq: number): Promise<void> {
      const spans = await collector.trace(traceId, 4);
      expect(spans.map(({ name }) => name)).to.have.members([
        ...['publish news', 'commit news'],
        ...['fan-out news', 'fan-out news'],
      ]);
      const [published] = spans.filter(({ kind }) => kind === PRODUCER);
      const [commit] = spans.filter(({ kind }) => kind === CLIENT);
      const fanOuts = spans.filter(({ kind }) => kind === CONSUMER);
      expect(published!.parentSpanId).to.equal(parent);
      expect(commit!.parentSpanId).to.equal(published!.spanId);
      expect(fanOuts.map(({ parentSpanId }) => parentSpanId)).to.deep.equal([commit!.spanId, commit!.spanId]);
      for (const span of [published!, ...fanOuts]) {
        expect(attribute(span.attributes, 'axiom.topic')).to.equal('news:a');
        expect(attribute(span.attributes, 'axiom.seq')).to.equal(String(seq));
        expect(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)).to.equal(true);
      }
      const nodes = fanOuts.map(({ resource }) => attribute(resource, 'service.instance.id'));
      expect(nodes).to.have.members(['node1', 'node2']);
      for (const { resource } of spans)
        expect(attribute(resource, 'service.name')).to.equal('hub-of-the-specs');
    }

    it('follows a message over HTTP to the fan-out of both', async () => {
      const { traceId, parent, traceparent } = newTrace();
      const { status, body } = await publish(cluster.nodes[0]!.url, 'news:a', { b: 1 }, { traceparent });
      expect(status).to.equal(201);
      await expectTree(traceId, parent, Number(body.seq));
    });

    it('follows a message over Socket.IO', async () => {
      const { traceId, parent, traceparent } = newTrace();
      const client = await connectSocketIo({ url: cluster.url });
      try {
        const answer = await client.request('publish', { topic: 'news:a', data: 1, traceparent });
        expect(answer.ok).to.equal(true);
        await expectTree(traceId, parent, Number(answer.seq));
      } finally {
        client.close();
      }
    });

    it('follows a batch as one publication, and each of its messages on each node', async () => {
      const { traceId, traceparent } = newTrace();
      const items = [1, 2, 3].map((data) => ({ topic: 'news:a', data, traceparent }));
      expect((await publishAll(cluster.nodes[1]!.url, items)).status).to.equal(200);
      const spans = await collector.trace(traceId, 2 + 2 * 3);
      expect(spans.filter(({ kind }) => kind === PRODUCER)).to.have.length(1);
      expect(spans.filter(({ kind }) => kind === CLIENT)).to.have.length(1);
      expect(spans.filter(({ kind }) => kind === CONSUMER)).to.have.length(6);
    });

    it('marks a publication that was refused', async () => {
      const { traceId, traceparent } = newTrace();
      const { status } = await publish(cluster.nodes[0]!.url, 'news:*', 1, { traceparent });
      expect(status).to.equal(400);
      const [span] = await collector.trace(traceId, 1);
      expect(span!.name).to.equal('publish news');
      expect(span!.status.code).to.equal(2);
    });

    it('ignores what is not sampled, and invalid trace contexts', async () => {
      const unsampled = newTrace('00');
      const before = collector.spans.length;
      for (const traceparent of [unsampled.traceparent, 'nonsense', '']) {
        const { status } = await publish(cluster.nodes[0]!.url, 'news:a', 'unsampled', { traceparent });
        expect(status).to.equal(201);
      }
      const { traceId, traceparent } = newTrace();
      await publish(cluster.nodes[0]!.url, 'news:a', 'the next', { traceparent });
      await collector.trace(traceId, 4);
      expect(collector.spans.slice(before).filter((span) => span.traceId !== traceId)).to.deep.equal([]);
    });

    it('shows nothing of it to subscribers', async () => {
      for (const { seen } of clients) {
        await until('it has the last', () => seen.data().includes('the next'));
        for (const message of seen.messages) expect(message).to.have.all.keys('topic', 'seq', 'time', 'data');
      }
    });
  });

  it('is off, and none of it loaded, unless it is configured', async () => {
    const { cache } = createRequire(import.meta.url);
    const app = await startSecuredApp({});
    await app.stop();
    expect(Object.keys(cache).filter((path) => path.includes('@opentelemetry/sdk-trace'))).to.deep.equal([]);
  });

  it('is configured by the standard variables, and says which is wrong', () => {
    const tracing = (environment: Record<string, string>) => readConfig(environment).tracing;
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://collector:4318';
    expect(tracing({})).to.equal(undefined);
    expect(tracing({ OTEL_EXPORTER_OTLP_ENDPOINT })).to.deep.equal({ exporter: 'otlp' });
    expect(tracing({ OTEL_TRACES_EXPORTER: 'console' })).to.deep.equal({ exporter: 'console' });
    expect(tracing({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER: 'none' })).to.equal(undefined);
    expect(tracing({ OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SDK_DISABLED: 'true' })).to.equal(undefined);
    const wrong = {
      OTEL_TRACES_EXPORTER: 'jaeger',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317',
      OTEL_TRACES_SAMPLER: 'some',
      OTEL_TRACES_SAMPLER_ARG: '2',
    };
    expect(() => readConfig(wrong))
      .to.throw(ConfigError)
      .with.property('mistakes')
      .that.satisfies((mistakes: string[]) => {
        expect(mistakes.map((mistake) => mistake.split(':', 1)[0])).to.deep.equal(Object.keys(wrong));
        return true;
      });
  });
});
