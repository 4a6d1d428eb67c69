import { createServer, type Server } from 'node:http';
import type { ConnectorMetrics } from './metrics.js';

/** `/metrics` and `/health` of a connector: 200 while it works, 503 while it waits. */
export async function startStatusServer(
  metrics: ConnectorMetrics,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.url === '/metrics') {
      response.setHeader('Content-Type', metrics.contentType);
      response.end(await metrics.text());
    } else if (request.url === '/health') {
      response.writeHead(metrics.isUp ? 200 : 503, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ status: metrics.isUp ? 'ok' : 'waiting' }));
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server;
}
