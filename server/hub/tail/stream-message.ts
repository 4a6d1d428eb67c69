import { messageText } from '@axiom-streaming/protocol/message';
import { topicName } from '@axiom-streaming/protocol/topic';
import type { LogEntry } from '../../log/stream-log.js';

/** A message as a node holds it: its texts are made at most once, and its data is never parsed. */
export class StreamMessage {
  readonly topic: string;
  readonly key: string;
  readonly seq: number;
  /** Log time, ms since the Unix epoch. */
  readonly time: number;
  /** JSON text. */
  readonly data: string;
  /** Trace context of its commit, if it was announced with one. */
  readonly trace: string | undefined;
  #text: string | undefined;

  constructor(stream: string, { seq, time, key, data }: LogEntry, trace?: string) {
    this.topic = topicName(stream, key);
    this.key = key;
    this.seq = seq;
    this.time = time;
    this.data = data;
    this.trace = trace;
  }

  /** The message's JSON text. */
  get text(): string {
    this.#text ??= messageText(this.topic, this.seq, this.time, this.data);
    return this.#text;
  }

  /** Roughly what the message weighs in memory, bytes. */
  get weight(): number {
    return 200 + this.key.length + this.data.length;
  }
}
