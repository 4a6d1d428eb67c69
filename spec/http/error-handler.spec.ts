import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { Gate } from '../../server/auth/gate.js';
import { HubError } from '../../server/errors.js';
import { problemHandler } from '../../server/http/error-handler.js';
import { type Logger, silentLogger } from '../../server/logger.js';
import { ErrorCounts } from '../../server/telemetry/metrics.js';
import type { SseTransport } from '../../server/transports/sse/sse-transport.js';

describe('A POST that is refused', () => {
  let server: Server;
  let counts: ErrorCounts;
  let logged: { readonly error?: string }[];
  let spendRequest: () => void;
  /** That of the last request, as the server has it. */
  let socket: Socket;

  before(async () => {
    const gate = { costs: { spendRefused: () => spendRequest() } } as unknown as Gate;
    const logger: Logger = { ...silentLogger, error: (fields) => logged.push(fields as object) };
    const app = express();
    app.post('/', (request) => {
      socket = request.socket;
      throw new HubError('bad_json', 'body: is not JSON');
    });
    app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
      problemHandler(logger, counts, gate, {} as SseTransport)(error, request, response, next);
    });
    server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });

  beforeEach(() => {
    counts = new ErrorCounts();
    logged = [];
    spendRequest = () => undefined;
  });

  /** @returns the code of the answer, and whether the connection may be used again */
  async function post(): Promise<{ code: string; isKept: boolean }> {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: '{' });
    const { code } = (await response.json()) as Problem;
    return { code, isKept: !socket.destroyed };
  }

  it('is answered, and its connection stays', async () => {
    expect(await post()).to.deep.equal({ code: 'bad_json', isKept: true });
    expect(logged).to.deep.equal([]);
  });

  it('is answered, and its connection ends, where its address is beyond its limit', async () => {
    spendRequest = () => {
      throw new HubError('rate_limited', 'too many');
    };
    expect(await post()).to.deep.equal({ code: 'bad_json', isKept: false });
    expect(logged).to.deep.equal([]);
    expect(counts.byKind.get('internal')).to.equal(0);
  });

  it('keeps its connection where the limiter itself fails, which is logged and counted', async () => {
    spendRequest = () => {
      throw new TypeError('the limiter is broken');
    };
    expect(await post()).to.deep.equal({ code: 'bad_json', isKept: true });
    expect(logged).to.have.length(1);
    expect(logged[0]?.error).to.include('the limiter is broken');
    expect(counts.byKind.get('internal')).to.equal(1);
    expect(counts.byKind.get('bad_json')).to.equal(1);
  });
});
