/** The page for readers of the code names files, specs and functions: they have to be there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGE = readFileSync(`${ROOT}/docs/ARCHITECTURE.md`, 'utf8');

/** Text in backticks that looks like a path of this repository, without those with a placeholder. */
function pathsOf(page: string): string[] {
  const quoted = [...page.matchAll(/`([^`\s]+)`/g)].map(([, text = '']) => text);
  const drawn = [...page.matchAll(/\b(?:server|packages|web|spec)\/[\w./-]+/g)].map(([text]) => text);
  const paths = [...quoted, ...drawn].filter((text) =>
    /^(server|packages|web|spec|docs|nginx)\/[\w./-]+$/.test(text),
  );
  return [...new Set(paths.map((path) => path.replace(/[/.]$/, '')))].sort();
}

describe('docs/ARCHITECTURE.md', () => {
  it('names files and folders that exist', () => {
    const paths = pathsOf(PAGE);
    expect(paths.length).to.be.greaterThan(40);
    expect(paths.filter((path) => !existsSync(`${ROOT}/${path}`))).to.deep.equal([]);
  });

  it('names functions in the files that have them', () => {
    const named: readonly (readonly [file: string, name: string])[] = [
      ['server/hub/delivery/stream-reader.ts', 'take('],
      ['server/hub/recovery/verdict.ts', 'function judge('],
      ['server/hub/access.ts', 'function requireRead('],
      ['server/hub/access.ts', 'function requirePublish('],
      ['server/auth/gate.ts', 'identify('],
      ['server/auth/gate.ts', 'async admit('],
    ];
    for (const [file, name] of named) expect(readFileSync(`${ROOT}/${file}`, 'utf8'), file).to.include(name);
  });

  it('has a line for each room of the hub and of the server', () => {
    const rooms = (folder: string) =>
      readdirSync(`${ROOT}/${folder}`, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    const unnamed = [...rooms('server'), ...rooms('server/hub')].filter((room) => !PAGE.includes(room));
    expect(unnamed).to.deep.equal([]);
  });

  it('links only to existing files', () => {
    const links = [...PAGE.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target);
    expect(links.filter((target) => !existsSync(`${ROOT}/docs/${target}`))).to.deep.equal([]);
    const headings = [...PAGE.matchAll(/^## (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    const anchors = [...PAGE.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor);
    expect(anchors).to.have.length.greaterThan(5);
    expect(anchors.filter((anchor) => !headings.includes(anchor))).to.deep.equal([]);
  });
});
