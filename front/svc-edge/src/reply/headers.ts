import type { HttpHeaders } from '@ron/kernel';
import { type Fields, textOf } from '../fields/fields.ts';
import { type CacheStatus, cacheName, formatCacheStatus } from '../rules/cache-status.ts';

export type CacheWord = 'HIT' | 'MISS' | 'STALE' | 'REVALIDATED' | 'BYPASS';

/** What this cache adds to a response that it sends on or made. RFC 9110, 7.6.3; RFC 9211. */
export function markHeaders(headers: HttpHeaders, word: CacheWord, status: CacheStatus, version = '1.1'): void {
  const via = textOf(headers, 'via');
  headers['via'] = via === undefined ? `${version} ${cacheName}` : `${via}, ${version} ${cacheName}`;
  headers['cache-status'] = formatCacheStatus(status, textOf(headers, 'cache-status'));
  headers['x-cache'] = word;
}

/** A copy that may be changed. */
export function copyHeaders(fields: Fields): HttpHeaders {
  return { ...fields } as HttpHeaders;
}
