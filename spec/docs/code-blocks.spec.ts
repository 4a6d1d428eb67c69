/** No code in a document is without somebody who runs it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type CodeBlock, codeBlocksOf } from './code-blocks.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Messages, frames, drawings, and objects to be copied into a file: nothing that runs. */
const DATA = ['', 'json', 'text'];

/** Who runs which blocks: a language or words of a block; the file that runs them, or `not run: ` and why. */
const RUN_BY: readonly (readonly [document: string, part: string, by: string])[] = [
  ['README.md', 'js', 'spec/docs/readme-code.spec.ts'],
  ['README.md', 'ts', 'spec/docs/readme-code.spec.ts'],
  ['README.md', 'npm ci && npm start', 'scripts/pack-check.mjs'],
  ['README.md', 'npm ci && npm test', '.ci/run'],
  ['README.md', 'npm run cluster', 'spec/local/scripts.spec.ts'],
  ['README.md', 'docker compose', 'spec/compose/run.ts'],
  ['README.md', 'curl -N', 'spec/docs/readme-code.spec.ts'],
  ['README.md', 'npm run conformance', 'scripts/pack-check.mjs'],
  ['README.md', 'npm run hub -- sub', 'spec/docs/readme-code.spec.ts'],
  ['README.md', 'npm run token', 'spec/docs/readme-code.spec.ts'],
  ['SECURITY.md', 'sh', 'spec/auth/life.spec.ts'],
  ['docs/OPERATIONS.md', 'nginx', 'spec/docs/operations.spec.ts'],
  ['docs/OPERATIONS.md', 'redis-cli HSET', 'spec/docs/operations.spec.ts'],
  ['docs/OPERATIONS.md', 'kill -HUP', 'spec/auth/key-reload.spec.ts'],
  ['docs/OPERATIONS.md', 'OTEL_', 'spec/telemetry/tracing.spec.ts'],
  ['docs/PROTOCOL.md', 'js', 'spec/docs/readme-code.spec.ts'],
  ['docs/PROXIES.md', 'kind: Ingress', 'not run: it needs a Kubernetes'],
  ['docs/PROXIES.md', 'kind: Deployment', 'not run: it needs a Kubernetes'],
  ['docs/PROXIES.md', 'haproxy', 'spec/wild/proxies.spec.ts'],
  ['docs/PROXIES.md', 'http', 'spec/wild/proxies.spec.ts'],
  ['docs/PROXIES.md', 'caddyfile', 'spec/wild/proxies.spec.ts'],
  ['docs/PROXIES.md', 'filled in by the specs', 'spec/wild/proxies.spec.ts'],
  ['docs/integrations/README.md', 'yaml', 'not run: it needs a Docker engine'],
  ['docs/integrations/neo4j.md', 'sh', 'spec/connectors/neo4j.spec.ts'],
  ['docs/integrations/neo4j.md', 'cypher', 'spec/connectors/neo4j.spec.ts'],
  ['docs/integrations/postgresql.md', 'npm run connector', 'spec/connectors/outbox.spec.ts'],
  ['docs/integrations/postgresql.md', 'sql', 'spec/docs/integration-examples.spec.ts'],
  ['docs/integrations/recipes.md', 'sh', 'spec/docs/recipes.spec.ts'],
  ['docs/integrations/recipes.md', 'python', 'spec/docs/recipes.spec.ts'],
  ['docs/integrations/recipes.md', 'java', 'spec/docs/recipes.spec.ts'],
  ['docs/integrations/redis.md', 'js', 'spec/docs/integration-examples.spec.ts'],
  ['docs/integrations/redis.md', 'redis-cli XADD', 'spec/docs/integration-examples.spec.ts'],
  ['docs/integrations/redis.md', 'npm run connector', 'spec/connectors/ingest.spec.ts'],
  ['docs/integrations/socketio-clients.md', 'java', 'spec/wild/java.spec.ts'],
  ['docs/integrations/socketio-clients.md', 'rust', 'spec/wild/rust.spec.ts'],
  ['docs/integrations/socketio-clients.md', 'go', 'spec/wild/go.spec.ts'],
  ['docs/integrations/socketio-clients.md', 'python', 'spec/wild/python.spec.ts'],
  ['docs/integrations/socketio-clients.md', 'swift', 'not run: there is no Swift here'],
  ['docs/integrations/socketio-clients.md', 'csharp', 'not run: there is no .NET here'],
  ['docs/OPERATIONS.md', 'kill -HUP', 'spec/auth/key-reload.spec.ts'],
  ['monitoring/RUNBOOK.md', 'docker compose ps', 'not run: it needs a Docker engine'],
  ['packages/client/README.md', 'js', 'spec/docs/readme-code.spec.ts'],
  ['packages/protocol/README.md', 'js', 'spec/docs/readme-code.spec.ts'],
  ['packages/protocol/README.md', 'ts', 'spec/docs/protocol-types.spec.ts'],
];

const documents = ['', 'docs', 'monitoring', 'packages', 'examples', 'deploy'].flatMap((folder) =>
  existsSync(join(ROOT, folder))
    ? readdirSync(join(ROOT, folder), { recursive: folder !== '', encoding: 'utf8' })
        .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
        .map((file) => join(folder, file))
    : [],
);
const fits = ({ language, text }: CodeBlock, part: string) => language === part || text.includes(part);

describe('Code in the documents', () => {
  it('is run by somebody, or says why not', () => {
    const nobodys = documents.flatMap((document) =>
      codeBlocksOf(document)
        .filter(({ language }) => !DATA.includes(language))
        .filter((block) => !RUN_BY.some(([where, part]) => where === document && fits(block, part)))
        .map(({ language, text }) => `${document} (${language}): ${text.split('\n')[0]}`),
    );
    expect(nobodys).to.deep.equal([]);
  });

  it('is there where this list says so, as are those who run it', () => {
    for (const [document, part, by] of RUN_BY) {
      expect(
        codeBlocksOf(document).some((block) => fits(block, part)),
        `${document}: ${part}`,
      ).to.equal(true);
      if (!by.startsWith('not run: ')) expect(existsSync(join(ROOT, by)), by).to.equal(true);
    }
  });
});
