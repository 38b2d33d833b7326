import type { HttpRefusal } from '../../env/http.ts';

/** Fields of which a second one makes the message ambiguous: servers in a row would pick different ones. RFC 9110, 5.3. */
const single = new Set([
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'expect',
  'from',
  'if-modified-since',
  'if-range',
  'if-unmodified-since',
  'idempotency-key',
  'max-forwards',
  'proxy-authorization',
  'range',
  'referer',
  'ron-cap',
  'transfer-encoding',
  'traceparent',
  'upload-length',
  'upload-offset',
  'user-agent',
  'x-corr-id',
]);

/** The names that clients send, by the spellings that they use: most requests then lower no string. */
const known = new Map<string, string>();
const knownMax = 512;

export type Fields = Record<string, string | undefined>;

/** `raw` is name, value, name, value … as received. */
export function readFields(raw: readonly string[], fieldsMax: number, needsHost: boolean): Fields | HttpRefusal {
  if (raw.length > fieldsMax * 2) return 'headers_too_large';
  const fields: Fields = Object.create(null);
  for (let i = 0; i < raw.length; i += 2) {
    const name = lower(raw[i] as string);
    const value = raw[i + 1] as string;
    const earlier = fields[name];
    if (earlier === undefined) {
      fields[name] = value;
      continue;
    }
    if (name === 'host') return 'two_hosts';
    if (single.has(name)) return 'malformed';
    fields[name] = `${earlier}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  if (needsHost && fields.host === undefined) return 'malformed';
  // With both, two servers can disagree about where the message ends: request smuggling. RFC 9112, 6.1.
  if (fields['transfer-encoding'] !== undefined && fields['content-length'] !== undefined) return 'malformed';
  return fields;
}

function lower(name: string): string {
  const hit = known.get(name);
  if (hit !== undefined) return hit;
  const lowered = name.toLowerCase();
  if (known.size < knownMax && name.length < 64) known.set(name, lowered);
  return lowered;
}
