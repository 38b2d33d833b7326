import { usageError } from '../cli-error.ts';

/** Half open: `end` is one past the last byte; undefined = to the end. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number;
}

const pattern = /^(\d{1,16})-(\d{1,16})?$/;

/**
 * Reads `a-b` as HTTP and curl do: first and last byte, both included, counted from 0; `a-` is the rest.
 * Throws a usage error for anything else, for `b < a` and for numbers past 2^53−1.
 */
export function parseByteRange(text: string): ByteRange {
  const match = pattern.exec(text);
  const start = Number(match?.[1]);
  const last = match?.[2] === undefined ? undefined : Number(match[2]);
  if (match === null || !Number.isSafeInteger(start)) refuse(text);
  if (last === undefined) return { start };
  if (!Number.isSafeInteger(last + 1) || last < start) refuse(text);
  return { start, end: last + 1 };
}

function refuse(text: string): never {
  throw usageError(
    `"${text}" is not a range: write first-last byte, as 0-99 for the first hundred, or 100- for the rest`,
    'ron get --help',
  );
}
