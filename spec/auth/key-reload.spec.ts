/** The file of API keys is read again while the hub runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { createApiKey, type StoredKeys } from '../../server/auth/api-keys.js';
import { readConfig } from '../../server/config/config.js';
import type { Logger } from '../../server/logger.js';
import { type RunningNode, startNode } from '../../server/node/start-node.js';
import type { TestClient } from '../support/client.js';
import { call } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { bearer } from './support.js';

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url));

describe('The file of API keys', () => {
  const [reader, leaver, writer, admin] = [createApiKey(), createApiKey(), createApiKey(), createApiKey()];
  const ALL: StoredKeys = {
    admin: { hash: admin.hash, admin: true },
    reader: { hash: reader.hash, streams: { subscribe: ['portfolio:*', 'signals:*'] } },
    leaver: { hash: leaver.hash, streams: { subscribe: ['portfolio:*'] } },
    writer: { hash: writer.hash, streams: { publish: ['portfolio:*'] } },
  };
  let dir: string;
  let file: string;
  const clients: { close(): void }[] = [];
  const kept = <T extends { close(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-keys-'));
    file = join(dir, 'keys.json');
    store(ALL);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function store(keys: StoredKeys): void {
    writeFileSync(`${file}.new`, JSON.stringify(keys));
    renameSync(`${file}.new`, file);
  }

  describe('that a node reads again', () => {
    let app: RunningNode;
    let lines: string[];

    beforeEach(async () => {
      lines = [];
      const write = (level: string) => (what: object | string, message?: string) =>
        void lines.push(`${level} ${message} ${JSON.stringify(what)}`);
      const logger: Logger = {
        debug: () => undefined,
        info: write('info'),
        warn: write('warn'),
        error: write('error'),
      };
      const config = {
        PORT: '0',
        FEEDS: 'off',
        DRAIN_MS: '0',
        REVOCATIONS_FILE: 'none',
        API_KEYS_FILE: file,
      };
      app = await startNode(readConfig(config), logger);
    });
    afterEach(() => app?.stop());

    const publish = (key: string, topic = 'portfolio:p1') =>
      call('POST', `${app.url}/api/topics/${topic}/messages`, '1', bearer(key));
    const read = (client: (typeof TRANSPORTS)[number], key: string, topics: readonly string[]) =>
      subscribeOver(client, { url: app.url, token: key }, { topics: [...topics] }).then<TestClient>(kept);

    for (const transport of TRANSPORTS) {
      it(`ends the connections over ${transport} of a key that was removed, and nobody else's`, async () => {
        const stays = await read(transport, reader.key, ['portfolio:*']);
        const leaves = await read(transport, leaver.key, ['portfolio:*']);
        const { leaver: _removed, ...others } = ALL;
        store(others);
        app.reloadKeys();
        await until('it is ended', () => leaves.seen.losses > 0);
        expect((await publish(writer.key)).status).to.equal(201);
        await until('the other one reads on', () => stays.seen.data().length > 0);
        expect(stays.seen.losses).to.equal(0);
      });
    }

    it('gives connections what their key allows now, and new keys what they allow', async () => {
      const socket = kept(await WebSocketTestClient.connect({ url: app.url, token: writer.key }));
      const send = async () => (await socket.request('publish', { topic: 'signals:a', data: 1 })).ok;
      expect(await send()).to.equal(false);
      const next = createApiKey();
      store({
        ...ALL,
        writer: { hash: writer.hash, streams: { publish: ['signals:*'] } },
        next: { hash: next.hash, streams: { publish: ['news:*'] } },
      });
      app.reloadKeys();
      expect(await send()).to.equal(true);
      expect(socket.closeCodes).to.deep.equal([]);
      expect((await publish(writer.key)).body.code, 'what it may no longer').to.equal('denied');
      expect((await publish(next.key, 'news:a')).status).to.equal(201);
      expect(lines.join('')).to.match(/read again.*"added":1,"changed":1,"removed":0/);
    });

    it('has a connection come back that reads more than its key allows now, which is then told', async () => {
      const socket = kept(
        await WebSocketTestClient.subscribe(
          { url: app.url, token: reader.key },
          { topics: ['portfolio:*', 'signals:*'] },
        ),
      );
      store({ ...ALL, reader: { hash: reader.hash, streams: { subscribe: ['portfolio:*'] } } });
      app.reloadKeys();
      await until('it is ended', () => socket.closeCodes.length > 0);
      expect(socket.closeCodes[0], 'which means: reconnect').to.equal(1012);
    });

    it('stays in force where the new one is broken, and the log says why', async () => {
      const stays = await read('websocket', reader.key, ['portfolio:*']);
      for (const text of ['{ "reader": ', '{"reader":{"hash":"no hash"}}', undefined]) {
        lines.length = 0;
        if (text === undefined) rmSync(file);
        else writeFileSync(file, text);
        app.reloadKeys();
        expect(lines.join('')).to.match(/^error .*the API keys stay as they were/);
        expect(lines.join('')).to.include(file);
        expect((await publish(writer.key)).status).to.equal(201);
      }
      expect(stays.seen.losses).to.equal(0);
    });

    it('makes a ticket of a removed key worthless', async () => {
      const { body } = await call('POST', `${app.url}/api/tickets`, undefined, bearer(leaver.key));
      const { leaver: _removed, ...others } = ALL;
      store(others);
      app.reloadKeys();
      const answer = await fetch(`${app.url}/stream?topics=portfolio:p1&ticket=${body.ticket}`);
      expect(answer.status).to.equal(401);
      expect(((await answer.json()) as { code: string }).code).to.equal('token_revoked');
    });
  });

  describe('of a process', () => {
    let node: ChildProcess;
    let said: string;

    beforeEach(() => {
      said = '';
    });
    afterEach(() => {
      node.kill('SIGKILL');
    });

    function run(command: string, args: readonly string[]): void {
      const own = { PORT: '0', FEEDS: 'off', REVOCATIONS_FILE: 'none', API_KEYS_FILE: file };
      node = spawn(command, args, { env: { ...process.env, ...own }, stdio: ['pipe', 'pipe', 'pipe'] });
      for (const stream of [node.stdout!, node.stderr!]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
      }
    }

    it('is read again on SIGHUP, and the process goes on', async () => {
      run(process.execPath, [MAIN]);
      await until('it serves', () => said.includes('is ready'), { instead: () => said });
      const { leaver: _removed, ...others } = ALL;
      store(others);
      node.kill('SIGHUP');
      await until('it has read it', () => /"removed":1.*read again/.test(said), { instead: () => said });
      expect(said).not.to.include('stopping');
      const exited = once(node, 'exit');
      node.kill('SIGTERM');
      expect(await exited).to.deep.equal([0, null]);
    });

    it('is not what SIGHUP means once the terminal is closed: the process stops', async function () {
      if (process.platform !== 'linux') this.skip();
      const log = join(dir, 'log');
      const logged = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');
      // A terminal, which is closed with the program that has it.
      run('script', ['-qfc', `exec '${process.execPath}' '${MAIN}' 2>'${log}'`, '/dev/null']);
      await until('it serves', () => said.includes('is ready'), { instead: () => said });
      const [pid = ''] = readFileSync(`/proc/${node.pid}/task/${node.pid}/children`, 'utf8').split(' ');
      process.kill(Number(pid), 'SIGHUP');
      await until('it has read the file again', () => logged().includes('read again'), { instead: logged });
      node.kill('SIGKILL');
      await until('it has stopped', () => logged().includes('node: stopped'), { instead: logged });
    });
  });
});
