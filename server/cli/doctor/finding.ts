/** What one check has found. */
export interface Finding {
  /** A short name, for programs too. */
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly what: string;
  /** What to change, in the words of NGINX where it is a proxy's affair. */
  readonly mend?: string;
}
