import type { HttpResponse } from '@ron/kernel';
import type { Inquiry } from '../inquiry.ts';
import { markHeaders } from '../reply/headers.ts';

/** Fields that a TRACE must not give away. RFC 9110, 9.3.8. */
const secret = new Set(['authorization', 'cookie', 'proxy-authorization', 'ron-cap']);

/** OPTIONS and TRACE that go no further than this: Max-Forwards is 0. RFC 9110, 7.6.2; undefined for everything else. */
export function answerItself({ method, target, fields, lines }: Inquiry): HttpResponse | undefined {
  if (method !== 'OPTIONS' && method !== 'TRACE') return undefined;
  if (!/^0+$/.test(String(fields['max-forwards'] ?? ''))) return undefined;
  const headers: HttpResponse['headers'] = { 'cache-control': 'no-store' };
  markHeaders(headers, 'BYPASS', { detail: 'max-forwards' });
  if (method === 'OPTIONS') return { status: 204, headers: { ...headers, allow: 'GET, HEAD, OPTIONS, TRACE' } };
  let message = `TRACE ${target} HTTP/1.1\r\n`;
  for (let i = 0; i < lines.length; i += 2) {
    if (!secret.has((lines[i] as string).toLowerCase())) message += `${lines[i]}: ${lines[i + 1]}\r\n`;
  }
  const body = Uint8Array.from(`${message}\r\n`, (char) => char.charCodeAt(0));
  return { status: 200, headers: { ...headers, 'content-type': 'message/http' }, body };
}
