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

/** What a process does just now. */
export interface Running {
  /** Below `spec/`. */
  readonly file: string;
  /** Of the spec, or of the hook. Undefined while the file is loaded. */
  readonly title: string | undefined;
}

export type Told =
  /** A file is loaded, or a spec or a hook begins. */
  | { readonly kind: 'running'; readonly running: Running }
  | { readonly kind: 'failure'; readonly failure: Failure }
  | { readonly kind: 'file'; readonly result: FileResult }
  /** All files have been run; the process ends now, unless something is left open. */
  | { readonly kind: 'end' };
