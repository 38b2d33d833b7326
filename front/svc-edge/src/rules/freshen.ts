import { isStrong, matchesStrongly, matchesWeakly } from '../fields/etag.ts';
import { type Fields, firstLineOf } from '../fields/fields.ts';

/** Never taken from a 304 or a HEAD: they describe a body that did not come with it. RFC 9111, 3.2. */
const kept = new Set(['content-length', 'content-range', 'age']);

/** The stored fields with everything that the newer head says in their place. Hop-by-hop fields are gone already. */
export function mergeFields(stored: Fields, newer: Fields): Fields {
  const merged: Record<string, Fields[string]> = { ...stored };
  for (const name in newer) {
    const value = newer[name];
    if (value !== undefined && !kept.has(name)) merged[name] = value;
  }
  return merged;
}

/**
 * Which of the stored responses a 304 is about: those with its strong validator, else the newest with its weak one,
 * else the only one where neither side has any. Undefined = none, and the 304 must not be used. RFC 9111, 4.3.4.
 */
export function chooseFreshened<T>(
  nominated: readonly T[],
  fieldsOf: (item: T) => Fields,
  answer: Fields,
): T | undefined {
  const etag = firstLineOf(answer, 'etag');
  const modified = firstLineOf(answer, 'last-modified');
  if (etag !== undefined) {
    const matches = isStrong(etag) ? matchesStrongly : matchesWeakly;
    return nominated.find((item) => {
      const stored = firstLineOf(fieldsOf(item), 'etag');
      return stored !== undefined && matches(etag, stored);
    });
  }
  if (modified !== undefined) {
    return nominated.find((item) => firstLineOf(fieldsOf(item), 'last-modified') === modified);
  }
  // Only one was asked about, so the answer is about it.
  return nominated.length === 1 ? nominated[0] : undefined;
}

/** What a 200 to HEAD means for a stored GET: it is the same as before, or it is outdated. RFC 9111, 4.3.5. */
export function agreesWithHead(stored: Fields, storedLength: number | undefined, head: Fields): boolean {
  for (const name of ['etag', 'last-modified']) {
    const told = firstLineOf(head, name);
    if (told !== undefined && told !== firstLineOf(stored, name)) return false;
  }
  const length = firstLineOf(head, 'content-length');
  return length === undefined || storedLength === undefined || Number(length) === storedLength;
}
