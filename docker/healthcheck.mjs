// Exits with 0 if this node is ready for clients and serves the page that people open first.
import { get } from 'node:http';

const url = `http://127.0.0.1:${process.env.PORT || 8001}`;

/** The status of the answer; undefined if there is none within 4 s. */
const ask = (path) =>
  new Promise((resolve) => {
    const request = get(url + path, { timeout: 4_000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('timeout', () => request.destroy());
    request.on('close', () => resolve(undefined));
    request.on('error', () => resolve(undefined));
  });

const paths = ['/health/ready', '/'];
const statuses = await Promise.all(paths.map(ask));
// `docker inspect` shows the output of the last checks.
process.stdout.write(paths.map((path, n) => `${path}: ${statuses[n] ?? 'no answer'}\n`).join(''));
process.exit(statuses.every((status) => status === 200) ? 0 : 1);
