/** Where a log takes what other nodes have announced. It comes in with the messages of the Socket.IO adapter. */
export interface PayloadInbox {
  /** A payload came in on the channel of a stream. @throws Error where it is damaged, or of no configured stream */
  receive(stream: string, payload: Buffer): void;
  /** To be called once when the channels are subscribed: resolves when announcements come. */
  live(): Promise<void>;
}

/** Of a log that is not shared: nothing comes in, and nothing is waited for. */
export const EMPTY_INBOX: PayloadInbox = {
  receive: () => undefined,
  live: async () => undefined,
};
