import type { ByteRange } from '../fields/range.ts';

/** What is held of a representation: ranges in order that neither touch nor overlap. */
export function addRange(held: readonly ByteRange[], added: ByteRange): ByteRange[] {
  const before = held.filter((range) => range.last + 1 < added.first);
  const after = held.filter((range) => range.first > added.last + 1);
  const touching = held.filter((range) => range.last + 1 >= added.first && range.first <= added.last + 1);
  const first = Math.min(added.first, ...touching.map((range) => range.first));
  const last = Math.max(added.last, ...touching.map((range) => range.last));
  return [...before, { first, last }, ...after];
}

export function covers(held: readonly ByteRange[], wanted: ByteRange): boolean {
  return held.some((range) => range.first <= wanted.first && wanted.last <= range.last);
}

/** What of `wanted` is not held, in order. */
export function missingRanges(held: readonly ByteRange[], wanted: ByteRange): ByteRange[] {
  const missing: ByteRange[] = [];
  let next = wanted.first;
  for (const range of held) {
    if (range.last < next) continue;
    if (range.first > wanted.last) break;
    if (range.first > next) missing.push({ first: next, last: range.first - 1 });
    next = range.last + 1;
  }
  if (next <= wanted.last) missing.push({ first: next, last: wanted.last });
  return missing;
}
