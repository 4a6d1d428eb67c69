/** The part of the configuration that says who may read and write. */
import { readFileSync } from 'node:fs';
import { isLocalHost, isLoopback } from '../auth/addresses.js';
import { readKeysFile, type StoredKeys } from '../auth/api-keys.js';
import type { Environment } from './variables.js';

const TOKEN_SOURCES = ['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWKS_URL'] as const;

/** Reports settings that contradict one another. @returns whether the hub is in development mode */
export function checkAccess(environment: Environment, host: string, mistakes: string[]): boolean {
  const sources = TOKEN_SOURCES.filter((name) => environment[name]);
  const development = sources.length === 0 && !environment.API_KEYS_FILE;
  if (sources.length > 1) {
    mistakes.push(
      `${sources[1]}: cannot be combined with ${sources[0]}; tokens are checked with one of them`,
    );
  }
  if (environment.JWKS_URL && !environment.JWT_ISSUER) {
    mistakes.push(
      'JWT_ISSUER: must be set with JWKS_URL, because its keys may also sign tokens of other issuers',
    );
  }
  if (isReadableOnItsWay(environment.JWKS_URL) && environment.JWKS_INSECURE !== 'on') {
    mistakes.push(
      'JWKS_URL: is fetched in clear from another machine, so whoever is on the way can choose the keys that tokens are checked with; use https, or set JWKS_INSECURE=on',
    );
  }
  if (!development && environment.PUBLISH_KEY) {
    mistakes.push('PUBLISH_KEY: is for development; tokens or API_KEYS_FILE are configured, so leave it out');
  }
  if (development && host !== 'localhost' && !isLoopback(host)) {
    mistakes.push(
      `HOST: "${host}" can be reached from other machines, and nothing says who may read and write; set JWT_SECRET (\`openssl rand -base64 32\` makes one), JWT_PUBLIC_KEY, JWKS_URL or API_KEYS_FILE`,
    );
  }
  return development;
}

/** Whether the keys of tokens can be read, and exchanged, on their way. */
function isReadableOnItsWay(url: string | undefined): boolean {
  if (url === undefined || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLocalHost(hostname);
}

/** Reads the file of API keys and reports its mistakes. */
export function readApiKeys(file: string, mistakes: string[]): StoredKeys {
  try {
    return readKeysFile(file);
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) mistakes.push(`API_KEYS_FILE: ${line}`);
    return {};
  }
}

/** A PEM text, possibly with its line breaks written as \\n, or the path of a PEM file. */
export function readPublicKey(text: string | undefined, mistakes: string[]): string {
  if (text === undefined || text === '') return '';
  if (text.includes('-----BEGIN')) return text.replaceAll('\\n', '\n');
  try {
    return readFileSync(text, 'utf8');
  } catch (error) {
    mistakes.push(`JWT_PUBLIC_KEY: ${error instanceof Error ? error.message : String(error)}`);
    return '';
  }
}
