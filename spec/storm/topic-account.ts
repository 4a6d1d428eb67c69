/** What a subscriber got of a topic from one cursor that begins something new to the next. */
export interface Segment {
  readonly epoch: string;
  /** Delivery begins after this seq. */
  readonly from: number;
  /** Each key begins with its newest message: a snapshot, or what has changed since a cursor, conflated. */
  readonly skips: boolean;
  /** Everything up to here was claimed to be written. */
  to: number;
  readonly startedAt: number;
  readonly why: string;
  readonly delivered: Set<number>;
  /** First and last seq of each key. */
  readonly keys: Map<string, { readonly first: number; last: number }>;
  readonly gaps: (readonly [from: number, to: number])[];
  /** Those into which others of their key were folded, and how many. */
  readonly conflated: { readonly seq: number; readonly key: string; readonly folded: number }[];
}

/** A topic of a subscriber, and its segments. */
export class TopicAccount {
  readonly topic: string;
  readonly stream: string;
  readonly key: string;
  readonly segments: Segment[] = [];

  constructor(topic: string) {
    this.topic = topic;
    const [stream = '', key = ''] = topic.split(':');
    this.stream = stream;
    this.key = key;
  }

  get open(): Segment | undefined {
    return this.segments.at(-1);
  }

  reads(topic: string): boolean {
    return this.key === '*' ? topic.startsWith(`${this.stream}:`) : topic === this.topic;
  }
}
