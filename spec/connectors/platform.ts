/** What a connector stands between, for specs: PostgreSQL, Redis, and a node with a subscriber. */
import type { Context } from 'mocha';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import type { TestClient } from '../support/client.js';
import { subscribeOver } from '../support/subscribe.js';
import { OwnPostgres, postgresPrograms } from './own-postgres.js';

/** Skips a spec, and says so, where PostgreSQL cannot be had. */
export function needsPostgres(context: Context): void {
  if (postgresPrograms() !== undefined) return;
  console.warn('      SKIPPED: PostgreSQL is not installed (Debian: apt-get install postgresql-15)');
  context.skip();
}

export class Platform {
  readonly postgres: OwnPostgres;
  readonly redis: OwnRedis;
  readonly app: RunningNode;
  readonly #clients: TestClient[] = [];

  private constructor(postgres: OwnPostgres, redis: OwnRedis, app: RunningNode) {
    this.postgres = postgres;
    this.redis = redis;
    this.app = app;
  }

  /** @param own a PostgreSQL that runs already; it is stopped with the rest */
  static async start(
    environment: Readonly<Record<string, string>> = {},
    own?: OwnPostgres,
  ): Promise<Platform> {
    const [postgres, redis] = await Promise.all([own ?? OwnPostgres.start(), OwnRedis.start()]);
    const app = await startTestApp({ REDIS_URL: redis.url, TOP_CHECK_MS: '500', ...environment });
    return new Platform(postgres, redis, app);
  }

  /** What a connector's process is told. */
  get env(): Record<string, string> {
    return { DATABASE_URL: this.postgres.url, REDIS_URL: this.redis.url };
  }

  async subscribe(...topics: readonly string[]): Promise<TestClient> {
    const client = await subscribeOver('websocket', { url: this.app.url }, { topics });
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.app.stop();
    await this.postgres.stop();
    await this.redis.stop();
  }
}
