/**
 * Whether `If-None-Match` says that the client already has this (RFC 9110, section 13.1.2): `*`, or a list with a
 * tag that weakly equals `etag` (which must be strong, quotes included). Malformed members never match.
 */
export function isNotModified(header: string, etag: string): boolean {
  if (header.trim() === '*') return true;
  let at = 0;
  while (at < header.length) {
    const character = header[at]!;
    if (character === ' ' || character === '\t' || character === ',') {
      at += 1;
      continue;
    }
    const open = header.startsWith('W/', at) ? at + 2 : at;
    if (header[open] !== '"') return false;
    const close = header.indexOf('"', open + 1);
    if (close < 0) return false;
    if (close - open + 1 === etag.length && header.startsWith(etag, open)) return true;
    at = close + 1;
  }
  return false;
}

/**
 * Whether a `Range` beside this `If-Range` is to be honoured (section 13.1.5): only for the same strong tag. Dates
 * never match, because objects here have no modification date.
 */
export function rangeStillApplies(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag;
}
