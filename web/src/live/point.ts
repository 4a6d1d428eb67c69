/** A value at a time, ms since the Unix epoch. */
export interface Point {
  readonly time: number;
  readonly value: number;
}
