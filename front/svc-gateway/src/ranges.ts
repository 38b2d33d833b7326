import { RonError } from '@ron/proto/errors';

/** Part of a representation, in bytes; `length` is at least 1. */
export interface ByteSpan {
  readonly start: number;
  readonly length: number;
}

/** The empty suffix `-` and numbers with more digits are caught here, before any arithmetic. */
const spec = /^(?:([0-9]+)-([0-9]*)|-([0-9]+))$/;

/**
 * The spans that a `Range` header selects of a representation of `size` bytes (RFC 9110, section 14), in the order
 * asked, with overlapping and adjacent ones made one at the place of the first. Undefined means that the header does
 * not apply and the whole is sent: an unknown unit, or a suffix of an empty representation.
 *
 * Throws `range_not_satisfiable` with `details.size` when nothing in it can be satisfied, and also, as section
 * 14.2 allows, when it is malformed or has more than `rangesMax` members: to ignore those would turn a small
 * question into the transfer of a whole object.
 */
export function parseRange(header: string, size: number, rangesMax: number): readonly ByteSpan[] | undefined {
  const equals = header.indexOf('=');
  if (equals < 0) throw refusal('the Range header is malformed', size);
  if (header.slice(0, equals).trim().toLowerCase() !== 'bytes') return undefined;
  const members = header.slice(equals + 1).split(',', rangesMax * 2 + 2);
  const spans: ByteSpan[] = [];
  let count = 0;
  let emptySuffix = false;
  for (const member of members) {
    const text = member.trim();
    // RFC 9110, section 5.6.1: a recipient accepts a reasonable number of empty list members.
    if (text === '') continue;
    count += 1;
    if (count > rangesMax) throw refusal(`at most ${rangesMax} ranges at once`, size);
    const span = parseSpec(text, size);
    if (span === 'empty') emptySuffix = true;
    else if (span !== undefined) spans.push(span);
  }
  if (count === 0 || members.length > rangesMax * 2 + 1) throw refusal('the Range header is malformed', size);
  if (spans.length > 0) return spans.length === 1 ? spans : coalesce(spans);
  if (emptySuffix) return undefined;
  throw refusal('no byte of the object lies in the range', size);
}

/** Undefined = not satisfiable; `empty` = a satisfiable suffix of nothing, which no `Content-Range` can express. */
function parseSpec(text: string, size: number): ByteSpan | 'empty' | undefined {
  const match = spec.exec(text);
  if (match === null) throw refusal('the Range header is malformed', size);
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Math.min(clamp(suffix), size);
    if (length > 0) return { start: size - length, length };
    return size === 0 && clamp(suffix) > 0 ? 'empty' : undefined;
  }
  if (last !== '' && isLess(last!, first!)) throw refusal('a range ends before it starts', size);
  const start = clamp(first!);
  if (start >= size) return undefined;
  const end = last === '' ? size - 1 : Math.min(clamp(last!), size - 1);
  return { start, length: end - start + 1 };
}

/** Exact up to 2^53−1; anything larger is past the end of every object, whatever its value. */
function clamp(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}

/** Compares digit strings of any length, so that numbers past 2^53 are judged as what was written. */
function isLess(left: string, right: string): boolean {
  const [a, b] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
  return a.length === b.length ? a < b : a.length < b.length;
}

function coalesce(spans: readonly ByteSpan[]): readonly ByteSpan[] {
  const byStart = spans.map((span, order) => ({ ...span, order })).sort((left, right) => left.start - right.start);
  const merged: { start: number; length: number; order: number }[] = [];
  for (const span of byStart) {
    const before = merged.at(-1);
    if (before === undefined || span.start > before.start + before.length) {
      merged.push(span);
      continue;
    }
    before.length = Math.max(before.start + before.length, span.start + span.length) - before.start;
    before.order = Math.min(before.order, span.order);
  }
  return merged.sort((left, right) => left.order - right.order).map(({ start, length }) => ({ start, length }));
}

function refusal(message: string, size: number): RonError {
  return new RonError('range_not_satisfiable', message, { details: { size } });
}

export function contentRange({ start, length }: ByteSpan, size: number): string {
  return `bytes ${start}-${start + length - 1}/${size}`;
}
