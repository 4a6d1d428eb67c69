import { get, type IncomingMessage } from 'node:http';
import type { TopicVerdict } from '@axiom-streaming/protocol/message';
import {
  type DegradedInfo,
  type GapInfo,
  reconnectDelayMs,
  type StormMessage,
  type StormSubscriber,
  type SubscriberPlan,
} from './subscriber.js';

const NO_ANSWER_WITHIN_MS = 10_000;

/**
 * An event stream that comes back with its `Last-Event-ID` after the server's `retry`, as an EventSource does. It is
 * read by hand, so that it can stop reading. A status that would end an EventSource for good is a finding.
 */
export class SseSubscriber implements StormSubscriber {
  readonly plan: SubscriberPlan;
  #response: IncomingMessage | undefined;
  #lastEventId = '';
  #stopped = false;
  #generation = 0;

  constructor(plan: SubscriberPlan) {
    this.plan = plan;
  }

  start(): void {
    const { url, address, topics, maxRate, account } = this.plan;
    this.#generation += 1;
    const generation = this.#generation;
    const since = this.#lastEventId !== '';
    const query = new URLSearchParams({
      topics: topics.join(','),
      ...(maxRate === undefined ? {} : { conflate: 'latest', maxRate: String(maxRate) }),
    });
    const again = (why: string) => {
      if (generation !== this.#generation) return;
      this.#generation += 1;
      account.note(`ended: ${why}`);
      if (!this.#stopped) setTimeout(() => this.start(), reconnectDelayMs());
    };
    const request = get(
      `${url}/stream?${query}`,
      {
        agent: false,
        headers: { 'X-Forwarded-For': address, ...(since ? { 'Last-Event-ID': this.#lastEventId } : {}) },
      },
      (response) => {
        request.setTimeout(0);
        this.#response = response;
        if (response.statusCode !== 200) {
          account.fail(`an event stream was answered with ${response.statusCode}`);
          response.resume();
        } else {
          this.#read(response, since, () => generation === this.#generation);
        }
        response.on('end', () => again('by the server'));
        response.on('error', (error) => again(error.message));
        response.on('close', () => again('closed'));
      },
    );
    request.setTimeout(NO_ANSWER_WITHIN_MS, () => request.destroy(new Error('no answer')));
    request.on('error', (error) => again(error.message));
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#response?.destroy();
  }

  #read(response: IncomingMessage, since: boolean, isCurrent: () => boolean): void {
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) if (isCurrent()) this.#event(block, since);
    });
  }

  #event(block: string, since: boolean): void {
    const fields = new Map(
      block.split('\n').map((line) => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)] as const;
      }),
    );
    const id = fields.get('id');
    if (id !== undefined) this.#lastEventId = id;
    const data = fields.get('data');
    if (data === undefined) return;
    const { account } = this.plan;
    const body = JSON.parse(data) as Record<string, unknown>;
    switch (fields.get('event')) {
      case undefined:
        account.message(body as unknown as StormMessage, id!);
        return;
      case 'position':
        if (body.node === undefined) {
          account.position(id!);
          return;
        }
        account.connected(String(body.node));
        account.subscribed(body.topics as TopicVerdict[], id!, since);
        return;
      case 'gap':
        account.gap(body as unknown as GapInfo);
        return;
      case 'degraded':
        account.degraded(body as unknown as DegradedInfo);
    }
  }
}
