import type { State, Status } from '../connection.js';
import { byId, setText } from '../dom.js';
import { NONE, timeOfDay } from '../format.js';

const STATE_TEXT: Readonly<Record<State, string>> = {
  connecting: 'connecting',
  connected: 'connected',
  'catching-up': 'catching up',
  moving: 'node is restarting, moving',
  reconnecting: 'reconnecting',
  unreachable: 'cannot connect',
  closed: 'disconnected',
};

/** The state of the connection, in the page's head and in its panel. */
export class ConnectionPanel {
  show({ state, node, transport, since }: Status): void {
    byId('connection').dataset.state = state;
    setText(byId('state'), STATE_TEXT[state]);
    for (const id of ['node', 'route-node']) setText(byId(id), node ?? NONE);
    for (const id of ['transport', 'route-transport']) setText(byId(id), transport ?? NONE);
    setText(byId('since'), since === undefined ? NONE : timeOfDay(since));
  }

  /** What recovery did: a word for the panel, a sentence for the head. */
  recovered(word: string, sentence: string): void {
    setText(byId('recovered'), word);
    setText(byId('outcome'), sentence);
  }
}
