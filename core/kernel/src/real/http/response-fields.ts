import type { HttpHeaders } from '../../env/http.ts';
import { SystemError } from '../../env/system-error.ts';

export const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** No control characters but the tab, and so no CR or LF that stands alone. RFC 9110, 5.5. */
export const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What another reader might have taken for something else. */
export function broken(what: string): SystemError {
  return new SystemError('EPROTO', `${what} is not HTTP/1.1`);
}

/** The names that origins send, by the spellings that they use: most responses then lower no string. */
const known = new Map<string, string>();
const knownMax = 512;

/**
 * Fields from `at` on, lines apart by CRLF. No folded lines, no blank before a colon, no empty name: each of these is read
 * in different ways by different programs. RFC 9112, 5.
 */
export function readFieldLines(text: string, at: number): HttpHeaders {
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let start = at; start < text.length; ) {
    const found = text.indexOf('\r\n', start);
    const end = found === -1 ? text.length : found;
    const line = text.slice(start, end);
    start = end + 2;
    const colon = line.indexOf(':');
    const name = colon === -1 ? undefined : lower(line.slice(0, colon));
    if (name === undefined || !fieldValue.test(line)) throw broken('a field');
    const value = trimmed(line, colon + 1);
    const earlier = headers[name];
    if (earlier === undefined) headers[name] = value;
    else if (typeof earlier === 'string') headers[name] = [earlier, value];
    else earlier.push(value);
  }
  return headers;
}

function trimmed(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Undefined for what is no name. */
function lower(name: string): string | undefined {
  const hit = known.get(name);
  if (hit !== undefined) return hit;
  if (!token.test(name)) return undefined;
  const lowered = name.toLowerCase();
  if (known.size < knownMax && name.length < 64) known.set(name, lowered);
  return lowered;
}
