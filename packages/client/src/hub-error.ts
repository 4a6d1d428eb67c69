/** A refusal by the hub, or `unreachable`, `timeout`, `closed` from the library itself. `code` is for programs. */
export class HubError extends Error {
  readonly code: string;
  readonly field: string | undefined;

  constructor(code: string, message: string, field?: string) {
    super(message);
    this.name = 'HubError';
    this.code = code;
    this.field = field;
  }
}

/** Converts what was thrown to an error of the library: anything but a refusal means that there is no connection. */
export function toHubError(error: unknown): HubError {
  return error instanceof HubError ? error : new HubError('unreachable', String(error));
}

/** Errors after which the same request may succeed. */
export function mayPass({ code }: HubError): boolean {
  return /^(\w+_unavailable|storage_full|overloaded|internal|timeout|unreachable|rate_limited|quota_exceeded|too_many_(connections|keys))$/.test(
    code,
  );
}
