import { RonError } from '@ron/proto/errors';

/** Positions travel as base64url of JSON: opaque to callers, and a stranger's text is refused, not guessed at. */
export function encodeCursor(position: string | number | readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

export function decodeNameCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const position = decode(cursor);
  return typeof position === 'string' ? position : refuse();
}

export function decodeVersionCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const position = decode(cursor);
  return Number.isSafeInteger(position) && (position as number) > 0 ? (position as number) : refuse();
}

export function decodePairCursor(cursor: string | undefined): { name: string; version: number } | undefined {
  if (cursor === undefined) return undefined;
  const position = decode(cursor);
  if (!Array.isArray(position) || position.length !== 2) return refuse();
  const [name, version] = position;
  return typeof name === 'string' && Number.isSafeInteger(version) ? { name, version } : refuse();
}

function decode(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return refuse();
  }
}

function refuse(): never {
  throw new RonError('bad_request', 'the cursor is not one of this operation', { details: { field: 'cursor' } });
}
