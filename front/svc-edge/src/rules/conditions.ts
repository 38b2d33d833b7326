import { matchesStrongly, matchesWeakly, parseEtagList } from '../fields/etag.ts';
import { type Fields, firstLineOf, textOf } from '../fields/fields.ts';
import { parseHttpDate } from '../fields/http-date.ts';

/** Fields that make a request conditional or partial: a cache that asks for itself leaves out its client's. */
export const conditionalNames: ReadonlySet<string> = new Set([
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
]);

/** Whether the client already has what is stored: 304. If-None-Match decides alone where it is present. RFC 9111, 4.3.2. */
export function isNotModified(request: Fields, stored: Fields, storedWallMs: number, nowWallMs: number): boolean {
  const noneMatch = textOf(request, 'if-none-match');
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*') return true;
    const etag = firstLineOf(stored, 'etag');
    return etag !== undefined && parseEtagList(noneMatch).some((tag) => matchesWeakly(tag, etag));
  }
  const since = firstLineOf(request, 'if-modified-since');
  if (since === undefined) return false;
  const sinceMs = parseHttpDate(since, nowWallMs);
  if (sinceMs === undefined) return false;
  const changed = firstLineOf(stored, 'last-modified') ?? firstLineOf(stored, 'date');
  const changedMs = changed === undefined ? undefined : parseHttpDate(changed, nowWallMs);
  return (changedMs ?? storedWallMs) <= sinceMs;
}

/** Whether a Range may be honoured: without If-Range always, with it only for the very same bytes. RFC 9110, 13.1.5. */
export function passesIfRange(request: Fields, stored: Fields, nowWallMs: number): boolean {
  const value = firstLineOf(request, 'if-range');
  if (value === undefined) return true;
  if (value.startsWith('"') || value.startsWith('W/')) return matchesStrongly(value, firstLineOf(stored, 'etag'));
  const modified = firstLineOf(stored, 'last-modified');
  return modified === value && isStrongDate(stored, nowWallMs);
}

/** A modification date is proof of equal bytes when the answer was made at least a second later. RFC 9110, 8.8.2.2. */
function isStrongDate(stored: Fields, nowWallMs: number): boolean {
  const modified = firstLineOf(stored, 'last-modified');
  const date = firstLineOf(stored, 'date');
  if (modified === undefined || date === undefined) return false;
  const modifiedMs = parseHttpDate(modified, nowWallMs);
  const dateMs = parseHttpDate(date, nowWallMs);
  return modifiedMs !== undefined && dateMs !== undefined && dateMs - modifiedMs >= 1000;
}

/** What the origin is asked about what is stored: names and values in turn, empty where it has no validator. RFC 9111, 4.3.1. */
export function validatorLines(stored: readonly Fields[]): string[] {
  const etags = new Set(stored.map((fields) => firstLineOf(fields, 'etag')).filter((tag) => tag !== undefined));
  const lines: string[] = etags.size === 0 ? [] : ['if-none-match', [...etags].join(', ')];
  const [only] = stored;
  const modified = stored.length === 1 && only !== undefined ? firstLineOf(only, 'last-modified') : undefined;
  if (modified !== undefined) lines.push('if-modified-since', modified);
  return lines;
}
