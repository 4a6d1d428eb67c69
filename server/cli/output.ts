/** The output of commands: for people, with colours on a terminal; for programs, as JSON. */
import type { Command } from 'commander';

const COLOURS = { red: 31, green: 32, yellow: 33, blue: 34, cyan: 36, grey: 90, bold: 1 } as const;
export type Colour = keyof typeof COLOURS;

/** The part of a writable stream that is used here. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
}

/** Standard output and error. */
export class Terminal {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly #mayPaint: boolean;

  /** @param environment NO_COLOR (https://no-color.org) and TERM=dumb turn colours off */
  constructor(
    stdout: TextStream,
    stderr: TextStream,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.#mayPaint = !environment.NO_COLOR && environment.TERM !== 'dumb';
  }

  print(line: string): void {
    this.stdout.write(`${line}\n`);
  }

  error(line: string): void {
    this.stderr.write(`${line}\n`);
  }

  /** Colours the text if the stream is a terminal; returns it unchanged otherwise. */
  paint(stream: TextStream, colour: Colour, text: string): string {
    return stream.isTTY && this.#mayPaint ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
  }

  /** Prints rows below a header, in columns that fit their content. Numbers are right-aligned. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const text = rows.map((row) => row.map(String));
    const widths = head.map((name, i) => Math.max(name.length, ...text.map((row) => row[i]?.length ?? 0)));
    const isNumber = head.map((_, i) => rows.some((row) => typeof row[i] === 'number'));
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd();
    this.print(this.paint(this.stdout, 'bold', line(head)));
    for (const row of text) this.print(line(row));
  }
}

/** What all commands are given. */
export interface Surroundings {
  readonly terminal: Terminal;
  /** Used if there is none among the options. */
  readonly token: string | undefined;
}

/** The options that precede the command. */
export interface GlobalOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly json: boolean;
}

/** The options that every command has, with defaults from the environment. */
export function globalOptions(command: Command, { token }: Surroundings): GlobalOptions {
  const options = command.optsWithGlobals<{ url: string; token?: string; json: boolean }>();
  const { url, json } = options;
  return { url: url.replace(/\/+$/, ''), json, token: options.token ?? (token || undefined) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
