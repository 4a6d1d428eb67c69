/** System: the nodes of the cluster, the streams, and their figures over the last minutes. */
import { fieldOf, numberOf } from '../../live/fields.js';
import { ago, count, decimal, megabytes, milliseconds, percent } from '../../live/format.js';
import { Figure, Nothing, Panel, Scroll } from '../../parts/panel.js';
import { SERIES_COLOURS, TimePlot } from '../../parts/time-plot.js';
import { usePage } from '../../use-page.js';
import { type NodeState, type Sample, SILENT_AFTER_MS } from './system-store.js';

const SHOWN_S = 300;

export function System() {
  const { system } = usePage();
  system.version;
  const nodes = [...system.nodes.values()]
    .filter(({ reportedAt }) => Date.now() - reportedAt < 600_000)
    .sort((a, b) => a.name.localeCompare(b.name));
  return (
    <div class="view system">
      <Panel title="Nodes" id="nodes" aside={<Serving />}>
        {nodes.length === 0 ? (
          <Nothing
            stream="system"
            hint="Every node reports its measurements every two seconds, while the demo feeds are on."
          />
        ) : (
          <>
            <Totals nodes={nodes} />
            <Nodes nodes={nodes} />
          </>
        )}
      </Panel>
      <Plots nodes={nodes} />
      <Streams />
    </div>
  );
}

function Serving() {
  const page = usePage();
  const { status } = page.connection;
  page.connection.version;
  return <span class="quiet">this page is served by {status.node ?? 'no node at the moment'}</span>;
}

function isSilent(node: NodeState): boolean {
  return Date.now() - node.reportedAt > SILENT_AFTER_MS;
}

function Totals({ nodes }: { readonly nodes: readonly NodeState[] }) {
  const alive = nodes.filter((node) => !isSilent(node));
  const total = (read: (data: unknown) => number | undefined) =>
    alive.reduce((sum, { data }) => sum + (read(data) ?? 0), 0);
  const clients = (name: string) => total((data) => numberOf(fieldOf(data, 'connections'), name));
  const { latency } = usePage();
  return (
    <dl class="figures">
      <Figure
        name="Nodes"
        value={`${alive.length} of ${nodes.length}`}
        below={alive.length < nodes.length ? 'some are silent' : 'all report'}
        tone={alive.length < nodes.length ? 'down' : ''}
      />
      <Figure
        name="Connections"
        value={count(clients('socketio') + clients('websocket') + clients('sse'))}
        below={`${count(clients('socketio'))} Socket.IO · ${count(clients('websocket'))} WebSocket · ${count(clients('sse'))} SSE`}
      />
      <Figure
        name="Published"
        value={`${count(total((data) => numberOf(data, 'publishedPerSecond')))}/s`}
        below="into the log"
      />
      <Figure
        name="Delivered"
        value={`${count(total((data) => numberOf(data, 'deliveredPerSecond')))}/s`}
        below="to connections"
      />
      <Figure
        name="Latency to this page"
        value={milliseconds(latency.percentile(0.5))}
        below={`p99 ${milliseconds(latency.percentile(0.99))}, above the fastest`}
      />
    </dl>
  );
}

function Nodes({ nodes }: { readonly nodes: readonly NodeState[] }) {
  const page = usePage();
  const { node: serving } = page.connection.status;
  return (
    <Scroll label="Reports by node">
      <table class="blotter">
        <caption class="hidden">Newest report of each node</caption>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">Health</th>
            <th scope="col" class="number">
              CPU
            </th>
            <th scope="col" class="number roomy">
              Memory
            </th>
            <th scope="col" class="number">
              Loop lag
            </th>
            <th scope="col" class="number roomy">
              Redis
            </th>
            <th scope="col" class="number">
              Clients
            </th>
            <th scope="col" class="number roomy">
              Received
            </th>
            <th scope="col" class="number roomy">
              Delivered
            </th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <NodeLine key={node.name} node={node} serves={node.name === serving} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function NodeLine({ node, serves }: { readonly node: NodeState; readonly serves: boolean }) {
  const { data } = node;
  const connections = fieldOf(data, 'connections');
  const each = ['socketio', 'websocket', 'sse'].map((name) => numberOf(connections, name) ?? 0);
  const [tone, text] = healthOf(node);
  const ping = numberOf(data, 'redisPingMs');
  return (
    <tr class={tone === 'bad' ? 'silent' : ''}>
      <th scope="row">
        {node.name} {serves && <span class="tag here">this page</span>}
      </th>
      <td>
        <span class={`health ${tone}`}>{text}</span>
      </td>
      <td class="number">{percent(numberOf(data, 'cpuPercent'))}</td>
      <td class="number roomy">{megabytes(numberOf(data, 'rssBytes'))}</td>
      <td class="number">{milliseconds(numberOf(data, 'eventLoopLagMs'))}</td>
      <td class="number roomy">{ping === undefined ? 'none' : milliseconds(ping)}</td>
      <td class="number" title={`Socket.IO ${each[0]}, WebSocket ${each[1]}, SSE ${each[2]}`}>
        {count(each.reduce((sum, one) => sum + one, 0))}
      </td>
      <td class="number roomy">{decimal(numberOf(data, 'receivedPerSecond'))}/s</td>
      <td class="number roomy">{decimal(numberOf(data, 'deliveredPerSecond'))}/s</td>
    </tr>
  );
}

function healthOf(node: NodeState): ['good' | 'warning' | 'bad', string] {
  const { data } = node;
  if (isSilent(node)) return ['bad', `silent, ${ago(Date.now() - node.reportedAt)}`];
  if (fieldOf(data, 'draining') === true) return ['warning', 'draining'];
  if (fieldOf(data, 'redisConnected') === false) return ['bad', 'without Redis'];
  if ((numberOf(data, 'eventLoopLagMs') ?? 0) > 100) return ['warning', 'busy'];
  return ['good', 'healthy'];
}

const PLOTS: readonly (readonly [
  title: string,
  unit: string,
  read: (sample: Sample) => number | undefined,
])[] = [
  ['Messages delivered per second', '/s', ({ delivered }) => delivered],
  ['Event-loop lag, 99th percentile', 'ms', ({ lagMs }) => lagMs],
  ['Redis round trip', 'ms', ({ redisMs }) => redisMs],
];

function Plots({ nodes }: { readonly nodes: readonly NodeState[] }) {
  const from = Date.now() / 1000 - SHOWN_S;
  const times = [...new Set(nodes.flatMap(({ samples }) => samples.map(({ at }) => at)))]
    .filter((at) => at > from)
    .sort((a, b) => a - b);
  const names = nodes.map(({ name }) => name);
  const hasRedis = nodes.some(({ samples }) => samples.some(({ redisMs }) => redisMs !== undefined));
  return (
    <div class="plots">
      {PLOTS.filter(([title]) => hasRedis || !title.startsWith('Redis')).map(([title, unit, read]) => (
        <Panel key={title} title={title} id={title.toLowerCase().replaceAll(/\W+/g, '-')} class="plot-panel">
          <TimePlot
            label={`${title} by node over the last five minutes`}
            names={names}
            unit={unit}
            data={[times, ...nodes.map(({ samples }) => align(times, samples, read))]}
          />
          <ul class="legend">
            {names.map((name, i) => (
              <li key={name}>
                <span class={`swatch ${SERIES_COLOURS[i % SERIES_COLOURS.length]}`} aria-hidden="true" />{' '}
                {name}
              </li>
            ))}
          </ul>
        </Panel>
      ))}
    </div>
  );
}

function align(
  times: readonly number[],
  samples: readonly Sample[],
  read: (sample: Sample) => number | undefined,
): (number | null)[] {
  const byTime = new Map(samples.map((sample) => [sample.at, read(sample) ?? null]));
  return times.map((time) => byTime.get(time) ?? null);
}

function Streams() {
  const page = usePage();
  page.version;
  const now = Date.now();
  const records = [...page.records.values()];
  return (
    <Panel title="Streams as this page reads them" id="streams">
      <Scroll label="Streams by name">
        <table class="blotter">
          <caption class="hidden">Streams of this hub as this page reads them</caption>
          <thead>
            <tr>
              <th scope="col">Stream</th>
              <th scope="col">Class</th>
              <th scope="col" class="number">
                Per second
              </th>
              <th scope="col" class="number roomy">
                Received
              </th>
              <th scope="col" class="number">
                Last seq
              </th>
              <th scope="col" class="number">
                Missing
              </th>
              <th scope="col" class="number roomy">
                Conflated
              </th>
              <th scope="col" class="number roomy">
                Last message
              </th>
            </tr>
          </thead>
          <tbody>
            {records.map((record) => (
              <tr key={record.name}>
                <th scope="row">{record.name}</th>
                <td class="quiet">{record.class}</td>
                <td class="number">{decimal(record.rate.perSecond(now))}</td>
                <td class="number roomy">{count(record.received)}</td>
                <td class="number">{count(record.lastSeq)}</td>
                <td class={`number ${record.missing > 0 ? 'down' : ''}`}>{count(record.missing)}</td>
                <td class="number roomy">{count(record.conflated)}</td>
                <td class="number quiet roomy">
                  {record.lastAt === 0 ? 'none yet' : ago(now - record.lastAt)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {records.length === 0 && <p class="none">Waiting for the hub.</p>}
      </Scroll>
      <footer class="panel-foot">
        <p class="source">Every sequence number is checked by this page.</p>
      </footer>
    </Panel>
  );
}
