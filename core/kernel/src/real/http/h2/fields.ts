import type { HttpRefusal } from '../../../env/http.ts';
import { type Fields, readFields } from '../fields.ts';

export interface StreamHead {
  readonly method: string;
  readonly target: string;
  readonly fields: Fields;
  /** As HTTP/1.1 would have carried them: the authority as Host, cookies in one field. RFC 9113, 8.2.3 and 8.3.1. */
  readonly lines: readonly string[];
}

/** Counted for each field beside its octets: RFC 9113, 6.5.2. */
const fieldOverhead = 32;

export function listBytesOf(raw: readonly string[]): number {
  let bytes = (raw.length / 2) * fieldOverhead;
  for (const part of raw) bytes += part.length;
  return bytes;
}

/**
 * The library has checked names, the order and number of the pseudo-header fields, and that nothing is specific to a
 * connection (RFC 9113, 8.2 and 8.3); this is what it leaves open.
 */
export function readHead(raw: readonly string[], fieldsMax: number): StreamHead | HttpRefusal {
  const pseudo: Fields = Object.create(null);
  const lines: string[] = [];
  let cookie: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (name.startsWith(':')) pseudo[name] = value;
    else if (name === 'cookie') cookie = cookie === undefined ? value : `${cookie}; ${value}`;
    else lines.push(name, value);
  }
  if (cookie !== undefined) lines.push('cookie', cookie);
  const fieldCount = raw.filter((name, i) => i % 2 === 0 && !name.startsWith(':')).length;
  if (fieldCount > fieldsMax) return 'headers_too_large';
  const fields = readFields(lines, fieldsMax, false);
  if (typeof fields === 'string') return fields;
  const { ':method': method, ':path': target, ':scheme': scheme, ':authority': authority } = pseudo;
  if (method === undefined || target === undefined || method === 'CONNECT') return 'malformed';
  // Another scheme asks for another origin than the one that the certificate stands for.
  if (scheme !== 'https') return 'malformed';
  if (fields['transfer-encoding'] !== undefined) return 'malformed';
  if (authority === undefined) {
    if (fields.host === undefined) return 'malformed';
  } else {
    // Two servers in a row would pick different ones. RFC 9113, 8.3.1.
    if (fields.host !== undefined && fields.host.toLowerCase() !== authority.toLowerCase()) return 'two_hosts';
    // RFC 9113, 8.3.1: no userinfo.
    if (authority.includes('@')) return 'malformed';
    if (fields.host === undefined) lines.unshift('host', authority);
    fields.host = authority;
  }
  if (target.charCodeAt(0) !== 0x2f && !(target === '*' && method === 'OPTIONS')) return 'malformed';
  return { method, target, fields, lines };
}
