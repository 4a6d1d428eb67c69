/** Code out of the documents, to be run as it is written there. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface CodeBlock {
  /** Empty for a drawing. */
  readonly language: string;
  /** What stands behind `file=`. */
  readonly file: string | undefined;
  readonly text: string;
}

/** The code blocks of a document, in their order. @param document its path in the repository */
export function codeBlocksOf(document: string): CodeBlock[] {
  const path = fileURLToPath(new URL(`../../../${document}`, import.meta.url));
  const blocks = readFileSync(path, 'utf8').matchAll(/^```(\w*)(?: file=(\S+))?\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, language = '', file, text = '']) => ({ language, file, text }));
}

/** The first block of a document that has this text in it. @throws Error where there is none */
export function codeBlockWith(document: string, part: string): string {
  const block = codeBlocksOf(document).find(({ text }) => text.includes(part));
  if (block === undefined) throw new Error(`no code block of ${document} has "${part}" in it`);
  return block.text;
}
