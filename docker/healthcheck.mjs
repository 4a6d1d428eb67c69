// Ends with 0 where this node is ready for clients, and has the page that a person opens first.
import { get } from 'node:http';

const url = `http://127.0.0.1:${process.env.PORT || 8001}`;

/** The status of an answer; undefined where there is none within 4 s. */
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
// `docker inspect` shows what the last checks wrote.
process.stdout.write(paths.map((path, n) => `${path}: ${statuses[n] ?? 'no answer'}\n`).join(''));
process.exit(statuses.every((status) => status === 200) ? 0 : 1);
