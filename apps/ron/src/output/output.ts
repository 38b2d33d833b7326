import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';
import { printable } from './printable.ts';

export type Style = Parameters<typeof styleText>[0];

/** A stream that may be a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export type InputStream = Readable & { readonly isTTY?: boolean };

/** Data goes to stdout, everything else to stderr. With `--json` data is NDJSON and notes are silent. */
export class Output {
  readonly json: boolean;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;

  constructor(json: boolean, stdout: OutputStream, stderr: OutputStream) {
    this.json = json;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** One result: its JSON line, or what a person reads. */
  result(value: object, human: () => string): void {
    this.stdout.write(`${this.json ? JSON.stringify(value) : human()}\n`);
  }

  /** What happened beside the result. */
  note(text: string): void {
    if (!this.json) this.stderr.write(`${printable(text)}\n`);
  }

  /** Must be seen, also in scripts. */
  warn(text: string): void {
    this.stderr.write(this.json ? `${JSON.stringify({ warning: text })}\n` : `${printable(text)}\n`);
  }

  /** Colour for stdout, when it is a terminal that wants it (`NO_COLOR`, `FORCE_COLOR` and `--no-color` as usual). */
  paint(style: Style, text: string): string {
    return paintFor(this.stdout, style, text);
  }
}

export function paintFor(stream: OutputStream, style: Style, text: string): string {
  return styleText(style, text, { stream, validateStream: true });
}
