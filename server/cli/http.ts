/** Asks a hub over HTTP. */
import { CliError, EXIT } from './exit-codes.js';
import { type GlobalOptions, messageOf } from './output.js';

const TIMEOUT_MS = 10_000;

/** The JSON that a hub answers with. @throws CliError for a refusal, and where there is no hub. */
export async function getJson<T>(path: string, { url, token }: GlobalOptions): Promise<T> {
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  let response: Response;
  try {
    response = await fetch(url + path, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause ?? error;
    throw new CliError('unreachable', `${url} was not reached: ${messageOf(cause)}`, EXIT.unreachable);
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok && body !== undefined) return body as T;
  const { code = 'no_hub', detail = `${url}${path} answers ${response.status}, and is no hub's` } = (body ??
    {}) as { code?: string; detail?: string };
  throw new CliError(code, `${code}: ${detail}`);
}
