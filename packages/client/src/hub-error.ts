/** A refusal by the hub, or `unreachable`, `timeout`, `closed`, `token_unavailable` from the library itself. `code` is for programs. */
export class HubError extends Error {
  declare readonly code: string;
  declare readonly field: string | undefined;
  /** How long the hub wants not to be asked again, ms; 0: it did not say. */
  declare readonly retryAfterMs: number;

  constructor(code: string, message: string, field?: string, retryAfterMs = 0) {
    super(message);
    this.name = 'HubError';
    this.code = code;
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Converts what was thrown to an error of the library: anything but a refusal means that the hub cannot be reached. */
export function toHubError(error: unknown, url: string): HubError {
  return error instanceof HubError ? error : new HubError('unreachable', `${url}: ${error}`);
}

/** Errors after which the same request may succeed. */
export function mayPass({ code }: HubError): boolean {
  return /^(\w+_unavailable|storage_full|overloaded|internal|timeout|unreachable|rate_limited|quota_exceeded|too_many_(connections|keys))$/.test(
    code,
  );
}
