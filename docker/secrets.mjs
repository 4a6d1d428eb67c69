// `npm run secrets`: writes the secrets that docker-compose.yml needs into .env. Existing ones stay as they are.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

const SECRETS = {
  JWT_SECRET: 'Secret of the tokens of clients and publishers (HS256).',
  REDIS_PASSWORD: 'Password of the hub in Redis.',
  REDIS_ADMIN_PASSWORD: 'Password of the default user of Redis, who may do everything.',
  GRAFANA_PASSWORD: 'Password of the user "admin" of Grafana.',
};

const file = process.argv[2] ?? '.env';
const present = existsSync(file) ? readFileSync(file, 'utf8') : '';
const missing = Object.keys(SECRETS).filter((name) => !new RegExp(`^\\s*${name}=.`, 'm').test(present));
// An empty line of a secret would take precedence over the added one.
const kept = present.replace(new RegExp(`^\\s*(${missing.join('|') || '$.'})=[ \\t]*\\n?`, 'gm'), '');
const added = missing.map((name) => `# ${SECRETS[name]}\n${name}=${randomBytes(32).toString('base64url')}\n`);
writeFileSync(file, `${kept}${kept === '' || kept.endsWith('\n') ? '' : '\n'}${added.join('')}`, {
  mode: 0o600,
});
chmodSync(file, 0o600);
process.stdout.write(
  missing.length === 0
    ? `${file} has all secrets; nothing was changed.\n`
    : `${file}: wrote ${missing.join(', ')}. Keep it: tokens and Redis depend on it.\n`,
);
