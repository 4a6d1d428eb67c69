/**
 * `npm run audit:own [-- --root FOLDER]`: what this repository takes from others. Packages have checksums and no address
 * of their own, install scripts are allowed by name, images have versions and digests, and no advisory is known about a
 * package. Prints a line for each problem and exits with 1; what could not be looked up is said, and is no problem.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { auditAdvisories } from './audit-own/advisories.mjs';
import { auditImages } from './audit-own/images.mjs';
import { auditLock } from './audit-own/lock.mjs';

const { values } = parseArgs({
  options: { root: { type: 'string', default: resolve(import.meta.dirname, '..') } },
});

const lock = auditLock(values.root);
const images = auditImages(values.root);
const advisories = auditAdvisories(values.root);

console.log(`packages of the lock file: ${lock.packages}`);
console.log(`images: ${images.images}`);
for (const image of images.withoutDigest) console.log(`NOT PINNED: ${image} has a version and no digest`);
if (advisories.outOfReach !== undefined) {
  console.log(`NOT IN REACH: known advisories were not looked up (${advisories.outOfReach})`);
}
const problems = [...lock.problems, ...images.problems, ...advisories.problems];
for (const problem of problems) console.error(`audit:own: ${problem}`);
if (problems.length > 0) process.exitCode = 1;
else console.log('audit:own: all is well');
