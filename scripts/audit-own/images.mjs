import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { WITHOUT_DIGEST } from './allowed.mjs';

const DOCKERFILES = ['Dockerfile', 'nginx/Dockerfile'];
const VERSION = /:v?\d+\.\d+\.\d+[\w.-]*$/;

/** Images that a Dockerfile begins with or copies from, without its own stages. */
function imagesOfDockerfile(text) {
  const stages = new Set([...text.matchAll(/^FROM\s+\S+\s+AS\s+(\S+)/gim)].map(([, stage]) => stage));
  const named = [
    ...text.matchAll(/^FROM\s+(?:--\S+\s+)*(\S+)/gim),
    ...text.matchAll(/^COPY\s.*--from=(\S+)/gim),
  ];
  return named.map(([, image]) => image).filter((image) => !stages.has(image));
}

/** Images that a compose file takes from elsewhere: what it builds has a version of ours. */
function imagesOfCompose(text) {
  const customTags = ['!reset', '!override'].map((tag) => ({ tag, resolve: () => null }));
  const { services = {} } = parse(text, { merge: true, customTags });
  return Object.values(services)
    .filter((service) => service?.image !== undefined && service.build === undefined)
    .map(({ image }) => image);
}

/**
 * Every image has a version with three numbers and a digest; those without a digest are named in `allowed.mjs`.
 *
 * @param {string} root folder with the Dockerfiles and compose files
 * @returns {{ problems: string[], images: number, withoutDigest: string[] }}
 */
export function auditImages(root) {
  const read = (file) => readFileSync(join(root, file), 'utf8');
  const composeFiles = readdirSync(root).filter((file) => /^docker-compose.*\.ya?ml$/.test(file));
  const found = [
    ...DOCKERFILES.flatMap((file) => imagesOfDockerfile(read(file)).map((image) => [file, image])),
    ...composeFiles.flatMap((file) => imagesOfCompose(read(file)).map((image) => [file, image])),
  ];
  const problems = [];
  const withoutDigest = new Set();
  for (const [file, image] of found) {
    const [name, digest] = image.split('@');
    if (!VERSION.test(name)) problems.push(`${file}: ${image} has no version with three numbers`);
    if (/^sha256:[0-9a-f]{64}$/.test(digest ?? '')) continue;
    if (name in WITHOUT_DIGEST && digest === undefined) withoutDigest.add(name);
    else problems.push(`${file}: ${image} has no digest`);
  }
  for (const image of Object.keys(WITHOUT_DIGEST)) {
    if (!withoutDigest.has(image))
      problems.push(`${image}: is allowed to have no digest, and is not used so`);
  }
  return {
    problems,
    images: new Set(found.map(([, image]) => image)).size,
    withoutDigest: [...withoutDigest],
  };
}
