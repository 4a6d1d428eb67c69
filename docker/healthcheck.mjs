// Ends with 0 where this node is ready for clients.
import { get } from 'node:http';

const url = `http://127.0.0.1:${process.env.PORT || 8001}/health/ready`;
get(url, { timeout: 4_000 }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
