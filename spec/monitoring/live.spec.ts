/**
 * A real Prometheus scrapes a real cluster under load: what the dashboards and the rules ask for is there. With it runs
 * Redis's exporter; NGINX's page for Prometheus is the container's, whose text is served from here.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { answers, renderTemplate } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import type { TestClient } from '../support/client.js';
import { startTestCluster } from '../support/cluster.js';
import { programOrSkip } from '../support/promtool.js';
import { Publishing } from '../support/publishing.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { dashboardFiles, panelsOf } from './dashboards.js';
import { rules } from './files.js';
import { OwnPrometheus, type Series } from './own-prometheus.js';

const STATUS_TEMPLATE = fileURLToPath(
  new URL('../../../nginx/container/status.conf.template', import.meta.url),
);
const DAY_S = 86_400;
const PER_SECOND = 25;

/** A query as Grafana would send it from the dashboard of one node. */
const filledIn = (expr: string, node: string) =>
  expr.replaceAll('$__rate_interval', '5s').replaceAll('$node', node);

const hasValue = (series: readonly Series[]) => series.some(({ value: [, value] }) => value !== 'NaN');

/** Alerts about how fast the nodes are. The third also has objectives that are not about speed. */
const OF_SPEED: ReadonlySet<string> = new Set(['EventLoopLags', 'DeliverySlow', 'ErrorBudgetSpent']);

describe('A live Prometheus on a cluster under load', () => {
  let cluster: LocalCluster | undefined;
  let prometheus: OwnPrometheus;
  let exporter: ManagedProcess | undefined;
  let edge: Server | undefined;
  const clients: TestClient[] = [];
  const publishers: Publishing[] = [];

  before(async function () {
    const command = programOrSkip(this, 'prometheus', 'prometheus');
    const exporterCommand = programOrSkip(this, 'prometheus-redis-exporter', 'prometheus-redis-exporter');
    cluster = await startTestCluster({
      redisArgs: ['--save', '', '--appendonly', 'no', '--maxmemory', '256mb'],
    });
    const { url, redisUrl, nodes } = cluster;
    exporter = await startExporter(exporterCommand, redisUrl);
    edge = await startEdge();
    prometheus = await OwnPrometheus.start(command, {
      axiom: Object.fromEntries(nodes.map((node) => [node.name, `127.0.0.1:${node.port}`])),
      'axiom-nginx': { nginx: addressOf(edge) },
      redis: { 'redis-exporter': exporter.name },
    });
    const topics = ['market:A', 'news:a', 'signals:a'];
    for (const transport of [...TRANSPORTS, ...TRANSPORTS, ...TRANSPORTS])
      clients.push(await subscribeOver(transport, { url }, { topics }));
    // To each node itself: each of them commits something.
    nodes.forEach((node, i) => {
      const publishing = new Publishing(node.url, topics[i]!, PER_SECOND);
      publishing.start();
      publishers.push(publishing);
    });
  });

  after(async () => {
    await Promise.all(publishers.map((publishing) => publishing.stop().catch(() => undefined)));
    for (const client of clients) client.close();
    await prometheus?.stop();
    await exporter?.stop('SIGKILL');
    edge?.close();
    await cluster?.stop();
  });

  it('has data for every query of the dashboards', async () => {
    const dashboards = [...dashboardFiles().values()];
    let missing = dashboards.flatMap((dashboard) =>
      panelsOf(dashboard).flatMap(({ title, targets }) =>
        targets.flatMap(({ expr }) =>
          (expr.includes('$node') ? ['node1', 'node2', 'node3'] : ['']).map((node) => ({
            title: `${dashboard.title}: ${title}`,
            expr: filledIn(expr, node),
          })),
        ),
      ),
    );
    expect(missing.length).to.be.greaterThan(100);
    await until(
      'each has a value',
      async () => {
        const found = await Promise.all(
          missing.map(async ({ expr }) => hasValue(await prometheus.query(expr))),
        );
        missing = missing.filter((_, i) => !found[i]);
        return missing.length === 0;
      },
      { withinMs: 30_000, instead: () => missing },
    );
    for (const { templating } of dashboards) {
      for (const { query } of templating.list) {
        const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(query.query)!;
        expect(await prometheus.labelValues(metric!, label!)).to.deep.equal(['node1', 'node2', 'node3']);
      }
    }
  });

  it('has data for every recording rule, and no alert', async () => {
    for (const rule of rules()) {
      if (!('record' in rule)) continue;
      await until(`${rule.record} has a value`, async () => hasValue(await prometheus.query(rule.record)));
    }
    // Alerts are silent for want of data at first.
    await until('nodes were scraped some times', async () => {
      const [times] = await prometheus.query(
        'min(count_over_time(process_start_time_seconds{job="axiom"}[5m]))',
      );
      return Number(times?.value[1]) >= 8;
    });
    const states = await prometheus.rules();
    expect(states.map(({ name }) => name)).to.have.members(
      rules().map((rule) => ('record' in rule ? rule.record : rule.alert)),
    );
    for (const { name, type, health, lastError, state } of states) {
      expect({ name, health, lastError }).to.deep.equal({ name, health: 'ok', lastError: undefined });
      if (type !== 'alerting') continue;
      // A busy machine is slow, which is what these are for; none of them fires within this spec.
      const expected = OF_SPEED.has(name) && state === 'pending' ? 'pending' : 'inactive';
      expect({ name, state }).to.deep.equal({ name, state: expected });
    }
    expect(await prometheus.query('slo:axiom_error_budget:remaining_7d{slo!="latency"} <= 0')).to.deep.equal(
      [],
    );
    const [left] = await prometheus.query('slo:axiom_error_budget:remaining_7d{slo="recovery"}');
    expect(left?.value[1]).to.equal('1');
  });

  it('sees a node that is killed', async () => {
    const node = cluster!.nodes[2]!;
    const seen = async (expr: string) => (await prometheus.query(expr))[0]?.value[1];
    expect(await seen('cluster:axiom_ready_nodes:count')).to.equal('3');
    // What is published there is refused from now on.
    await publishers.pop()!.stop();
    await node.process.stop('SIGKILL');
    await until('it is missing', async () => (await seen('cluster:axiom_ready_nodes:count')) === '2');
    await until('an alert is on its way', async () =>
      (await prometheus.rules()).some(({ name, state }) => name === 'NodeDown' && state === 'pending'),
    );
    const panel = [...dashboardFiles().values()].flatMap(panelsOf).find(({ title }) => title === 'State')!;
    const state = filledIn(panel.targets[0]!.expr, node.name);
    await until('its dashboard says so', async () => (await seen(state)) === '0');
    expect(await seen(filledIn(panel.targets[0]!.expr, 'node1'))).to.equal('1');
  });
});

async function startExporter(command: string, redisUrl: string): Promise<ManagedProcess> {
  const address = `127.0.0.1:${await freePorts(1)}`;
  const exporter = new ManagedProcess({
    name: address,
    command,
    args: [`-redis.addr=${redisUrl}`, `-web.listen-address=${address}`],
    ready: () => answers(`http://${address}/metrics`),
  });
  await exporter.start();
  return exporter;
}

/** The page that the container of NGINX has for Prometheus, with a certificate for another 90 days. */
async function startEdge(): Promise<Server> {
  const template = /location = \/metrics \{.*?return 200 "(.*?)";/s.exec(
    readFileSync(STATUS_TEMPLATE, 'utf8'),
  )![1]!;
  const HUB_TLS_EXPIRY = String(Math.floor(Date.now() / 1000) + 90 * DAY_S);
  const text = renderTemplate(template, { HUB_TLS_EXPIRY }).replaceAll('\\n', '\n');
  const server = createServer((_request, response) => response.end(text));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
