/** HTTP for the doctor: one TCP connection per request, bytes with their time of arrival, and upgrades. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';

export interface Ask {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

function send({ url, method = 'GET', headers, body }: Ask, timeoutMs: number) {
  const options: RequestOptions = { method, headers: { ...headers }, agent: false, timeout: timeoutMs };
  const request = url.startsWith('https:') ? httpsRequest(url, options) : httpRequest(url, options);
  request.end(body);
  return request;
}

/** Reads a complete response over a separate connection. */
export function exchange(ask: Ask, timeoutMs = 10_000): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = send(ask, timeoutMs);
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
  });
}

/** Resolves when a response begins, with a function that aborts the request. */
export function begin(ask: Ask, timeoutMs: number): Promise<{ response: IncomingMessage; end: () => void }> {
  return new Promise((resolve, reject) => {
    const request = send(ask, 0);
    const timer = setTimeout(() => request.destroy(new Error('no answer in time')), timeoutMs);
    request.on('error', reject);
    request.on('response', (response) => {
      clearTimeout(timer);
      resolve({ response, end: () => request.destroy() });
    });
  });
}

/** Requests a WebSocket upgrade. @returns the socket, or the HTTP status of a refusal. */
export function upgrade(
  ask: Ask,
  timeoutMs = 5_000,
): Promise<{ socket?: Socket; head: Buffer; status: number }> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...ask.headers,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'YXhpb20tc3RyZWFtaW5nIQ==',
    };
    const request = send({ ...ask, headers }, timeoutMs);
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.on('upgrade', (_response, socket: Socket, head) => resolve({ socket, head, status: 101 }));
    request.on('response', (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, head: Buffer.alloc(0) });
    });
  });
}
