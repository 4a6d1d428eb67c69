import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { CONNECTORS, type ConnectorName } from '../../server/connectors/catalogue.js';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import { until } from '../support/wait.js';
import { AWAY, SAYS_AWAY } from './connectors.js';
import { contextOf, makeImageTree, readCopy, readStages } from './image-tree.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

const isStarted = () => Promise.resolve(true);

/** Whether an address is answered with a status of 200 to 299. */
const answers = (url: string) =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

describe('The image of a node', function () {
  this.timeout(180_000);
  let dir: string;
  /** What is in `/app` of the image. */
  let tree: string;
  let redis: ManagedProcess;
  let node: ManagedProcess;
  let url: string;
  let environment: Record<string, string>;

  /** Runs a program of the image, as its command does, but for the user and tini. */
  const program = (
    name: string,
    args: string[],
    ready: () => Promise<boolean>,
    onLine?: (line: string) => void,
  ) =>
    new ManagedProcess({
      name,
      command: process.execPath,
      args: args.map((arg) => (arg.endsWith('js') ? join(tree, arg) : arg)),
      env: environment,
      ready,
      readyWithinMs: 60_000,
      ...(onLine === undefined ? {} : { onLine }),
    });

  /** What the check of the container's health says, and its exit code. */
  const checkHealth = async () => {
    const lines: string[] = [];
    const check = program('healthcheck', ['docker/healthcheck.mjs'], isStarted, (line) => lines.push(line));
    await check.start();
    return { code: await check.exited, says: lines.join(', ') };
  };

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-image-'));
    tree = makeImageTree(ROOT, 'Dockerfile', dir);
    const port = await freePorts(2);
    redis = redisServer({ port, dir });
    await redis.start();
    const streams = join(dir, 'streams.json');
    writeFileSync(
      streams,
      JSON.stringify({ market: { class: 'state', read: 'public', archive: true }, news: { class: 'log' } }),
    );
    url = `http://127.0.0.1:${port + 1}`;
    environment = {
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port + 1),
      LOG_LEVEL: 'info',
      REDIS_URL: `redis://127.0.0.1:${port}`,
      JWT_SECRET: 'a secret of this spec, of 32 bytes or more',
      DRAIN_MS: '0',
      // What is loaded only where it is asked for.
      STREAMS_FILE: streams,
      ...AWAY,
    };
    node = program('node', ['docker/start.mjs'], () => answers(`${url}/health/ready`));
    await node.start();
  });
  after(async () => {
    await node?.stop();
    await redis?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const page of ['/', '/docs/', '/docs/sockets.html']) {
    it(`has the page at ${page}, with every script and style sheet that it names`, async () => {
      const response = await fetch(`${url}${page}`);
      expect(response.status).to.equal(200);
      const links = [...(await response.text()).matchAll(/(?:src|href)="([^"#]+)"/g)].map(
        ([, link]) => link!,
      );
      expect(links.filter((link) => link.endsWith('.js'))).not.to.deep.equal([]);
      for (const link of links)
        expect((await fetch(new URL(link, `${url}${page}`))).status, link).to.equal(200);
    });
  }

  it('has the documents, of the version that the package has', async () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    for (const document of ['/openapi.json', '/asyncapi.json']) {
      const { info } = (await (await fetch(`${url}${document}`)).json()) as { info: { version: string } };
      expect(info.version, document).to.equal(version);
    }
  });

  it('has the data of the demo feeds', async () => {
    await until('prices are published', async () => (await fetch(`${url}/api/topics/market:AAPL`)).ok);
  });

  it('is not healthy without the page', async () => {
    const page = join(tree, 'dist/page/index.html');
    const text = readFileSync(page);
    rmSync(page);
    expect(await checkHealth()).to.deep.equal({ code: 1, says: '/health/ready: 200, /: 404' });
    writeFileSync(page, text);
    expect(await checkHealth()).to.deep.equal({ code: 0, says: '/health/ready: 200, /: 200' });
  });

  it('mints tokens', async () => {
    const lines: string[] = [];
    const minting = program(
      'token',
      ['dist/server/cli/main.js', 'token', '--sub', 'me', '--subscribe', 'news:*'],
      isStarted,
      (line) => lines.push(line),
    );
    await minting.start();
    expect(await minting.exited, lines.join('\n')).to.equal(0);
    const Authorization = `Bearer ${lines.at(-1)}`;
    expect(
      (await fetch(`${url}/api/topics/news:*/messages`, { headers: { Authorization } })).status,
    ).to.equal(200);
  });

  it('runs every connector, whatever it is connected to', async () => {
    const runs = async (name: ConnectorName) => {
      const lines: string[] = [];
      const connector = program(
        name,
        ['dist/server/connectors/run.js', name],
        () => Promise.resolve(lines.some((line) => SAYS_AWAY[name].test(line))),
        (line) => lines.push(line),
      );
      await connector.start();
      await connector.stop('SIGKILL');
    };
    await Promise.all((Object.keys(CONNECTORS) as ConnectorName[]).map(runs));
  });
});

describe('The image of NGINX', () => {
  it('has every file that there is for it', () => {
    const isInContext = contextOf(read('.dockerignore'));
    const copied = readStages(read('nginx/Dockerfile'))
      .flatMap(({ steps }) => steps)
      .filter(({ instruction }) => instruction === 'COPY')
      .flatMap(({ rest }) => readCopy(rest).sources);
    const files = readdirSync(join(ROOT, 'nginx'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'Dockerfile')
      .map(({ parentPath, name }) => relative(ROOT, join(parentPath, name)).replaceAll('\\', '/'));
    expect(copied).to.have.members(files);
    for (const file of copied) expect(isInContext(file), file).to.equal(true);
  });
});
