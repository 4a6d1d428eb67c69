/** One message in one transport's form, made once and written to many. Transports add what they need to it. */
export interface Frame {
  /** What the frame adds to a connection's buffer. */
  readonly bytes: number;
}

/** How a transport writes messages. One object for each transport of a node. */
export interface Encoding {
  readonly name: string;
  /** @param text the message's JSON text @param cursor the connection's cursor once it has this message */
  encode(text: string, cursor: string): Frame;
}
