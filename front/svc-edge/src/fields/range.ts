/** As asked: `last` undefined is "to the end", `suffix` is "the last so many". */
export type AskedRange = { readonly first: number; readonly last: number | undefined } | { readonly suffix: number };

/** Both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** More parts than this in one request are an attack or a mistake: the field is then ignored, as RFC 9110, 14.2 allows. */
export const rangesMax = 16;

/** Undefined when the field is to be ignored: another unit, not well formed, or too many parts. RFC 9110, 14.1. */
export function parseRange(value: string | undefined): readonly AskedRange[] | undefined {
  const set = value === undefined ? null : /^bytes=([^=]*)$/i.exec(value);
  if (set === null) return undefined;
  const asked: AskedRange[] = [];
  for (const part of (set[1] as string).split(',')) {
    const text = part.trim();
    if (text === '') continue;
    const spec = /^(\d{0,15})-(\d{0,15})$/.exec(text);
    if (spec === null || text === '-' || asked.length === rangesMax) return undefined;
    const [, first = '', last = ''] = spec;
    if (first === '') asked.push({ suffix: Number(last) });
    else if (last === '') asked.push({ first: Number(first), last: undefined });
    else if (Number(last) < Number(first)) return undefined;
    else asked.push({ first: Number(first), last: Number(last) });
  }
  return asked.length === 0 ? undefined : asked;
}

/** The parts that a representation of `total` bytes has; empty = not satisfiable, which is 416. */
export function resolveRanges(asked: readonly AskedRange[], total: number): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (const range of asked) {
    if ('suffix' in range) {
      if (range.suffix > 0 && total > 0) ranges.push({ first: Math.max(0, total - range.suffix), last: total - 1 });
    } else if (range.first < total) {
      ranges.push({ first: range.first, last: Math.min(range.last ?? total - 1, total - 1) });
    }
  }
  return ranges;
}

/** Parts that overlap or are in disorder cost more than they bring: RFC 9110, 14.2 lets them be refused or put together. */
export function coalesceRanges(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before !== undefined && range.first <= before.last + 1) {
      merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    } else merged.push(range);
  }
  return merged;
}
