/** What a Socket.IO client that is refused at its CONNECT is told, for every error that there is. */
import type { IncomingMessage } from 'node:http';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import type { Gate } from '../../server/auth/gate.js';
import { ERRORS, HubError } from '../../server/errors.js';
import { silentLogger } from '../../server/logger.js';
import type { Admission } from '../../server/transports/admission.js';
import { Authentication } from '../../server/transports/socketio/authentication.js';
import type { ConnectingConnection } from '../../server/transports/socketio/namespace-entrance.js';

/** Decides about a client whose token cannot be accepted because of `error`. */
async function decideWith(error: unknown) {
  const closed: [number, string][] = [];
  const reported: unknown[] = [];
  const gate = {
    countedAddress: () => '192.0.2.1',
    bearer: () => undefined,
    identify: async () => {
      throw error;
    },
  } as unknown as Gate;
  const authentication = new Authentication({
    gate,
    admission: { onRefused: (refusal: unknown) => void reported.push(refusal) } as unknown as Admission,
    logger: silentLogger,
    isKnown: () => true,
    restoreSession: async () => null,
  });
  const connection = {
    readyState: 'open',
    request: {} as IncomingMessage,
    transport: {
      name: 'websocket',
      socket: { close: (code: number, name: string) => void closed.push([code, name]) },
    },
  } as unknown as ConnectingConnection;
  const decision = await authentication.decide(connection, { token: 'some token' });
  expect(reported, 'told once').to.deep.equal([error]);
  return { decision, closed };
}

describe('A Socket.IO client that is refused', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const { retry, status } = ERRORS[code];
    const error = new HubError(code, 'it does not go');
    if (retry) {
      it(`comes back by itself: ${code} ends its transport`, async () => {
        const { decision, closed } = await decideWith(error);
        expect(decision).to.equal(undefined);
        const { code: close, name } = status === 429 ? CLOSE.tooMany : CLOSE.setUpFailed;
        expect(closed).to.deep.equal([[close, name]]);
      });
    } else {
      it(`stays away and is told why: ${code} is a CONNECT_ERROR`, async () => {
        const { decision, closed } = await decideWith(error);
        expect(decision).to.deep.equal({ refusal: error });
        expect(closed).to.deep.equal([]);
      });
    }
  }

  it('comes back by itself after a fault of the hub', async () => {
    const { decision, closed } = await decideWith(new TypeError('a fault'));
    expect(decision).to.equal(undefined);
    expect(closed).to.deep.equal([[CLOSE.setUpFailed.code, CLOSE.setUpFailed.name]]);
  });
});
