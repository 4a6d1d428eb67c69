/** One message in one transport's form, made once and written to many. Transports add what they need to it. */
export interface Frame {
  /** The bytes as they go over the connection. Made on first use. */
  readonly wire: Buffer;
}

/** How a transport writes messages. One object for each transport of a node. */
export interface Encoding {
  readonly name: string;
  /** @param cursor the connection's cursor once it has this message */
  encode(message: EncodableMessage, cursor: string): Frame;
}

/** What an encoding reads of a message. */
export interface EncodableMessage {
  /** The message's JSON text. */
  readonly text: string;
}
