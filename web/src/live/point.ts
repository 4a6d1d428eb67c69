/** A value and its time, ms since the Unix epoch. */
export interface Point {
  readonly time: number;
  readonly value: number;
}
