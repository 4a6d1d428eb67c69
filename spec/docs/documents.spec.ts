/** Holds `/openapi.json` and `/asyncapi.json` to public validators, to the router, and to what a node answers. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Parser } from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { ROUTES } from '../../server/http/api-documents/routes.js';
import { OPERATION_NAMES } from '../../server/hub/operations/handler.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { bearer, startSecuredApp, token } from '../auth/support.js';
import { call, get } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

type Json = Record<string, unknown>;
interface Operation {
  readonly description: string;
  readonly parameters?: readonly { readonly name: string; readonly schema: object }[];
  readonly requestBody?: {
    readonly content: Record<string, { readonly example: unknown; readonly schema: object }>;
  };
  readonly responses: Record<
    string,
    { description: string; headers?: Record<string, object>; content?: Record<string, { schema: object }> }
  >;
}
interface OpenApi extends Json {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: Json;
}
interface SocketMessage {
  readonly payload: object;
  readonly examples?: readonly { readonly payload: unknown }[];
}
interface AsyncApi extends Json {
  readonly info: { readonly description: string };
  readonly channels: Record<'socketio' | 'websocket', { readonly messages: Record<string, SocketMessage> }>;
}

const HTTP_SOURCES = fileURLToPath(new URL('../../../server/http', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));

describe('The documents of a node', () => {
  let app: RunningNode;
  let openApi: OpenApi;
  let asyncApi: AsyncApi;
  let admin: string;

  before(async () => {
    app = await startSecuredApp();
    admin = await token({ admin: true, publish: ['market:*', 'news:*'] });
    openApi = (await get<OpenApi>(`${app.url}/openapi.json`)).body;
    asyncApi = (await get<AsyncApi>(`${app.url}/asyncapi.json`)).body;
  });
  after(() => app?.stop());

  describe('for HTTP', () => {
    it('are valid OpenAPI 3.1', async () => {
      const result = await new Validator().validate(structuredClone(openApi));
      expect(result.errors ?? []).to.deep.equal([]);
      expect(result.valid).to.equal(true);
    });

    it('have every route of the router, and no other', () => {
      const files = readdirSync(HTTP_SOURCES).filter((file) => file.endsWith('.ts'));
      const texts = files.map((file) => readFileSync(`${HTTP_SOURCES}/${file}`, 'utf8'));
      const routes = texts.flatMap((text) =>
        [...text.matchAll(/\b(?:router|app)\.(get|post|put|patch|delete)\(\s*'([^']+)'/g)].map(
          ([, method, path]) => `${method} ${path}`,
        ),
      );
      const ofDocuments = ['get /docs', 'get /openapi.json', 'get /asyncapi.json'];
      const documented = ROUTES.map(({ method, path }) => `${method} ${path}`);
      expect(documented.sort()).to.deep.equal(routes.filter((route) => !ofDocuments.includes(route)).sort());
    });

    it('say which answers have Retry-After: those that are refused for now, and to those who are banned', () => {
      const answers = Object.values(openApi.paths)
        .flatMap((path) => Object.values(path))
        .flatMap(({ responses }) => Object.entries(responses))
        .filter(([, { content }]) => content?.['application/problem+json'] !== undefined);
      const saying = answers.filter(([, { headers }]) => headers?.['Retry-After'] !== undefined);
      expect([...new Set(saying.map(([status]) => status))].sort()).to.include.members(['429', '503']);
      for (const [status, answer] of answers) {
        const isExpected =
          ['429', '502', '503'].includes(status) || /`(banned|too_many_keys)`/.test(answer.description);
        expect(
          saying.some(([, each]) => each === answer),
          `${status} ${answer.description}`,
        ).to.equal(isExpected);
      }
    });

    it('are written for the address under which they were asked for, unless it could be a command', async () => {
      expect(openApi.servers).to.deep.equal([{ url: app.url }]);
      const text = await asked(app.port, 'a$(reboot)');
      expect(text).to.contain('http://localhost:8001').and.not.to.contain('reboot');
    });

    const validatorOf = (schema: object) =>
      new Ajv2020({ strict: false, validateFormats: false }).compile({
        ...schema,
        components: openApi.components,
      });

    it('have a name for every object that is sent, by which generated clients call it', () => {
      const operations = Object.values(openApi.paths).flatMap((path) => Object.values(path));
      const contents = operations.flatMap(({ requestBody, responses }) =>
        [...(requestBody === undefined ? [] : [requestBody]), ...Object.values(responses)].flatMap(
          ({ content = {} }) => content['application/json']?.schema ?? [],
        ),
      );
      expect(contents.length).to.be.greaterThan(20);
      for (const schema of contents) expect(JSON.stringify(schema)).not.to.include('"properties"');
      expect(JSON.stringify(openApi.components)).not.to.match(/\$id|\$schema|\$defs/);
    });

    for (const [path, bodies] of [
      ['/api/revocations', [{ jti: 'x' }, { sub: 'x' }, { jti: 'x', sub: 'x' }, {}, { expiresAt: 1 }]],
      ['/api/bans', [{ sub: 'x', forMs: 0 }, { sub: 'x', connection: 'y', forMs: 0 }, { forMs: 0 }]],
    ] as const) {
      it(`say which fields of ${path} exclude each other, as the node has it`, async () => {
        const validate = validatorOf(
          openApi.paths[path]!.post!.requestBody!.content['application/json']!.schema,
        );
        for (const body of bodies) {
          const { status } = await call('POST', app.url + path, JSON.stringify(body), bearer(admin));
          expect(validate(body), JSON.stringify(body)).to.equal(status === 201);
        }
      });
    }

    it('say what a cursor looks like, and what /mcp wants to be accepted', async () => {
      const { parameters } = openApi.paths['/api/topics/{topic}/messages']!.get!;
      const validate = validatorOf(parameters!.find(({ name }) => name === 'since')!.schema);
      const history = `${app.url}/api/topics/market:DEMO/messages`;
      const { body } = await call<{ cursor: string }>('GET', history, undefined, bearer(admin));
      for (const cursor of ['-', body.cursor]) expect(validate(cursor), cursor).to.equal(true);
      for (const cursor of ['', 'a cursor', 'x'.repeat(4_097)])
        expect(validate(cursor), cursor).to.equal(false);
      const mcp = openApi.paths['/mcp']!.post!;
      expect(Object.keys(mcp.responses['200']!.content!)).to.have.members([
        'application/json',
        'text/event-stream',
      ]);
      expect(mcp.description).to.match(/`Accept` must name both/);
    });

    for (const route of ROUTES) {
      const path = route.path.replaceAll(/:(\w+)/g, '{$1}');

      it(`say what ${route.method.toUpperCase()} ${path} answers: the example runs as it is written`, async () => {
        const operation = openApi.paths[path]![route.method]!;
        const [, script = ''] = /```sh\n([\s\S]*?)\n```/.exec(operation.description) ?? [];
        expect(script).to.contain(app.url);
        const client = await WebSocketTestClient.connect({ url: app.url, token: admin });
        await until('the connection is known', () => client.frames.length > 0);
        const ID = String(client.frames[0]!.connection);
        const output = await shell(script, { TOKEN: admin, ID });
        client.close();
        const [status, response] = Object.entries(operation.responses)[0]!;
        const type = Object.keys(response.content ?? {})[0];
        if (type === 'application/json') {
          const validate = validatorOf(response.content![type]!.schema);
          check(validate, JSON.parse(output), `${status} of ${script}`);
        } else if (type === 'text/event-stream') expect(output).to.match(/^id: market\./m);
        else if (type === 'text/plain') expect(output).to.contain('# TYPE axiom_');
        else expect(output).to.equal('');
      });

      if (route.body !== undefined) {
        it(`have a body for ${route.method.toUpperCase()} ${path} that is taken`, async () => {
          const { requestBody, responses } = openApi.paths[path]![route.method]!;
          const { example } = requestBody!.content['application/json']!;
          const response = await fetch(app.url + path.replace('{topic}', 'market:DEMO'), {
            method: 'POST',
            headers: {
              ...bearer(admin),
              'Content-Type': 'application/json',
              Accept: 'application/json, text/event-stream',
            },
            body: JSON.stringify(example),
          });
          const text = await beginningOf(response);
          expect(response.ok, text).to.equal(true);
          expect(responses).to.have.property(String(response.status));
          expect(text).not.to.contain('"ok":false');
        });
      }
    }
  });

  describe('for sockets', () => {
    it('are valid AsyncAPI 3', async () => {
      const diagnostics = await new Parser().validate(JSON.stringify(asyncApi));
      const errors = diagnostics.filter(({ severity }) => severity === 0);
      expect(errors.map(({ message, path }) => `${path.join('.')}: ${message}`)).to.deep.equal([]);
    });

    for (const dialect of ['socketio', 'websocket'] as const) {
      describe(`over ${dialect}`, () => {
        const validator = (name: string): ValidateFunction => {
          const { payload } = asyncApi.channels[dialect].messages[name]!;
          return new Ajv({ strict: false, validateFormats: false }).compile(payload);
        };

        it('have examples of their own form', () => {
          for (const [name, { examples = [] }] of Object.entries(asyncApi.channels[dialect].messages)) {
            for (const { payload } of examples) check(validator(name), payload, name);
          }
        });

        it('have requests that are answered as it is written, and events as they come', async () => {
          const { call, events, close } = await (dialect === 'socketio' ? socketIo : webSocket)(
            app.url,
            admin,
          );
          for (const operation of ['publish', ...OPERATION_NAMES]) {
            const [{ payload } = { payload: undefined }] =
              asyncApi.channels[dialect].messages[operation]!.examples ?? [];
            const request = JSON.parse(JSON.stringify(payload).replace('$TOKEN', admin)) as Json;
            const acknowledgement = await call(request);
            check(validator(`${operation}Acknowledged`), acknowledgement, operation);
            expect(JSON.stringify(acknowledgement)).to.contain('"ok":true');
          }
          await until(
            'events of three kinds came',
            () => new Set(events().map(({ name }) => name)).size >= 3,
          );
          for (const { name, payload } of events()) check(validator(name), payload, name);
          close();
        });
      });
    }

    it('have programs that run as they are written', async () => {
      const programs = [...asyncApi.info.description.matchAll(/```js\n([\s\S]*?)```/g)].map(
        ([, text]) => text!,
      );
      expect(programs).to.have.length(2);
      for (const [i, text] of programs.entries()) {
        const file = `${HERE}/program-${process.pid}-${i}.mjs`;
        // Browsers have WebSocket, and newer versions of Node.
        writeFileSync(file, `import { WebSocket } from 'ws';\n${text}`);
        const child = spawn(process.execPath, [file, admin]);
        let output = '';
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString();
        });
        child.stderr.on('data', (chunk: Buffer) => {
          output += chunk.toString();
        });
        try {
          await until(`program ${i} shows a message`, () => output.includes('market:DEMO'));
        } finally {
          child.kill();
          rmSync(file);
        }
      }
    });
  });
});

function check(validate: ValidateFunction, value: unknown, what: string): void {
  const errors = validate(value)
    ? []
    : validate.errors!.map(({ instancePath, message }) => `${what}: ${instancePath} ${message}`);
  expect(errors, JSON.stringify(value)).to.deep.equal([]);
}

/** What a script writes; one that would go on for ever is ended after a second. */
async function shell(script: string, env: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const endless = script.includes('curl -sN');
    const child = execFile(
      'bash',
      ['-c', endless ? script.replace('curl', 'exec curl') : script],
      { env: { ...process.env, ...env }, timeout: endless ? 1_000 : 10_000 },
      (error, stdout, stderr) => {
        if (error !== null && !endless) reject(new Error(`${script}: ${error.message} ${stderr}`));
        else resolve(stdout);
      },
    );
    child.stdin?.end();
  });
}

/** The document as somebody gets it who gives the node another name. */
async function asked(port: number, host: string): Promise<string> {
  const { request } = await import('node:http');
  const sent = request({ host: '127.0.0.1', port, path: '/openapi.json', headers: { Host: host } });
  sent.end();
  const [response] = (await once(sent, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const chunk of response) text += chunk.toString();
  return text;
}

/** A client that sends a request exactly as the document writes it, and what it was told. */
interface Caller {
  readonly call: (request: unknown) => Promise<unknown>;
  readonly events: () => { name: string; payload: unknown }[];
  readonly close: () => void;
}

async function socketIo(url: string, token: string): Promise<Caller> {
  const client = await connectSocketIo({ url, token });
  return {
    call: async (request) => {
      const [operation, body] = request as [string, object];
      return [await client.request(operation, body)];
    },
    events: () => client.events.map((event) => ({ name: event[0], payload: event })),
    close: () => client.close(),
  };
}

async function webSocket(url: string, token: string): Promise<Caller> {
  const client = await WebSocketTestClient.connect({ url, token });
  const frames = (wanted: (op: string) => boolean) => client.frames.filter(({ op }) => wanted(op));
  return {
    call: async (request) => {
      const acks = () => frames((op) => op === 'ack');
      const before = acks().length;
      client.socket.send(JSON.stringify(request));
      await until('it is acknowledged', () => acks().length > before);
      return acks().at(-1);
    },
    events: () => frames((op) => op !== 'ack').map((frame) => ({ name: frame.op, payload: frame })),
    close: () => client.close(),
  };
}

/** The body of an answer; of an event stream, which does not end, its first bytes. */
async function beginningOf(response: Response): Promise<string> {
  if (!/event-stream/.test(response.headers.get('content-type') ?? '')) return response.text();
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}
