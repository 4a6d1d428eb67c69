/** HTTP requests to a hub. */
import { CliError, EXIT } from './exit-codes.js';
import { type GlobalOptions, messageOf } from './output.js';

const TIMEOUT_MS = 10_000;

/** The hub's JSON response. @throws CliError for a refusal, and if there is no hub at the address. */
export async function getJson<T>(path: string, { url, token }: GlobalOptions): Promise<T> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  let response: Response;
  try {
    response = await fetch(url + path, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause ?? error;
    throw new CliError('unreachable', `${url} could not be reached: ${messageOf(cause)}`, EXIT.unreachable);
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body as T;
  const { code = 'no_hub', detail = `${url}${path} answered ${response.status} and is not a hub` } = (body ??
    {}) as { code?: string; detail?: string };
  throw new CliError(code, `${code}: ${detail}`);
}
