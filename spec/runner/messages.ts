/** What the process that runs spec files tells the one that started it. */

/** A spec that failed, or a hook. */
export interface Failure {
  /** Below `spec/`. */
  readonly file: string;
  readonly title: string;
  /** Its message with the stack, and the values that differ. */
  readonly error: string;
}

/** A file that has been run. */
export interface FileResult {
  /** Below `spec/`. */
  readonly file: string;
  readonly ms: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
}

export type Told =
  | { readonly kind: 'failure'; readonly failure: Failure }
  | { readonly kind: 'file'; readonly result: FileResult }
  /** All files have been run; the process ends now, unless something is left open. */
  | { readonly kind: 'end' };
