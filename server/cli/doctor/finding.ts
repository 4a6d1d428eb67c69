/** The result of one check. */
export interface Finding {
  /** A short, stable name that programs may use. */
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly what: string;
  /** What to change; for proxies, as NGINX configuration. */
  readonly mend?: string;
}
