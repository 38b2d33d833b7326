/** What this cache did with one request, in the words of RFC 9211. */
export interface CacheStatus {
  readonly hit?: boolean;
  /** Why the request went on. */
  readonly forward?: 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'stale' | 'partial' | 'request';
  readonly forwardStatus?: number;
  readonly stored?: boolean;
  readonly collapsed?: boolean;
  /** Seconds of freshness left; negative when stale. */
  readonly ttl?: number;
  /** A token; why it was not stored, or how it was answered without the origin. */
  readonly detail?: string;
}

export const cacheName = 'ron-edge';

/** Behind what caches nearer to the origin said. RFC 9211, 2. */
export function formatCacheStatus(status: CacheStatus, earlier: string | undefined): string {
  let text: string = cacheName;
  if (status.hit === true) text += '; hit';
  if (status.forward !== undefined) text += `; fwd=${status.forward}`;
  if (status.forwardStatus !== undefined) text += `; fwd-status=${status.forwardStatus}`;
  if (status.stored === true) text += '; stored';
  if (status.collapsed === true) text += '; collapsed';
  if (status.ttl !== undefined) text += `; ttl=${Math.floor(status.ttl)}`;
  if (status.detail !== undefined) text += `; detail=${status.detail}`;
  return earlier === undefined || earlier === '' ? text : `${earlier}, ${text}`;
}
