/**
 * Questions to the other nodes, over Redis Pub/Sub. The nodes' reports tell which answers to expect, so a node that is
 * gone costs no time and one that hangs is named. `serverSideEmit` and `fetchSockets` were rejected: they fail
 * altogether if one node does not answer.
 */
import { randomUUID } from 'node:crypto';
import type { Answer, Peers, Question } from '../auth/directory.js';
import type { Logger } from '../logger.js';
import type { RedisLink } from '../redis/redis-link.js';

const ASKED = '{axiom}:ask';
const ANSWER_WITHIN_MS = 1_000;

interface Envelope {
  readonly id: string;
  readonly from: string;
  readonly question: Question;
}

interface Reply {
  readonly id: string;
  readonly from: string;
  readonly answer: Answer;
}

interface Waiting {
  readonly answers: Map<string, Answer>;
  readonly done: () => void;
  readonly expected: ReadonlySet<string>;
}

export class RedisPeers implements Peers {
  readonly #link: RedisLink;
  readonly #node: string;
  readonly #nodes: () => readonly string[];
  readonly #answer: (question: Question) => Answer;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, Waiting>();

  /** @param options.nodes the live nodes, including this one */
  constructor(options: {
    link: RedisLink;
    node: string;
    nodes: () => readonly string[];
    answer: (question: Question) => Answer;
    logger: Logger;
  }) {
    this.#link = options.link;
    this.#node = options.node;
    this.#nodes = options.nodes;
    this.#answer = options.answer;
    this.#logger = options.logger;
  }

  /** Starts answering the other nodes' questions. */
  async start(): Promise<void> {
    await this.#link.listen(ASKED, (text) => this.#read(text, (message) => this.#reply(message as Envelope)));
    await this.#link.listen(answersTo(this.#node), (text) =>
      this.#read(text, (message) => this.#take(message as Reply)),
    );
  }

  async ask(question: Question): Promise<{ answers: readonly Answer[]; silent: readonly string[] }> {
    const expected = new Set(this.#nodes().filter((node) => node !== this.#node));
    if (expected.size === 0) return { answers: [], silent: [] };
    const id = randomUUID();
    const answers = new Map<string, Answer>();
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((done, failed) => {
        timer = setTimeout(done, ANSWER_WITHIN_MS);
        this.#waiting.set(id, { answers, done, expected });
        const envelope: Envelope = { id, from: this.#node, question };
        this.#link.command(['PUBLISH', ASKED, JSON.stringify(envelope)]).catch(failed);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
    return { answers: [...answers.values()], silent: [...expected].filter((node) => !answers.has(node)) };
  }

  async #reply({ id, from, question }: Envelope): Promise<void> {
    if (from === this.#node) return;
    const reply: Reply = { id, from: this.#node, answer: this.#answer(question) };
    await this.#link.command(['PUBLISH', answersTo(from), JSON.stringify(reply)]);
  }

  #take({ id, from, answer }: Reply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || !waiting.expected.has(from)) return;
    waiting.answers.set(from, answer);
    if (waiting.answers.size === waiting.expected.size) waiting.done();
  }

  // If a Pub/Sub listener throws, the client drops the rest of what it has read.
  #read(text: string, handle: (message: unknown) => void | Promise<void>): void {
    const failed = (error: unknown) =>
      this.#logger.warn({ error: String(error) }, 'cluster: could not answer a question from another node');
    try {
      Promise.resolve(handle(JSON.parse(text))).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}

function answersTo(node: string): string {
  return `{axiom}:answers:${node}`;
}
