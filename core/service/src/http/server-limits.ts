import type { HttpServerLimits } from '@ron/kernel';
import { limits } from '@ron/oap';

/** What a listener for clients keeps to: the limits of the protocol, and what `own` says beside or instead of them. */
export function httpServerLimits(own: Pick<HttpServerLimits, 'refusal'> & Partial<HttpServerLimits>): HttpServerLimits {
  return {
    headerBytesMax: limits.httpHeaderBytesMax,
    headerFieldsMax: limits.httpHeaderFieldsMax,
    headerTimeMs: limits.httpHeaderTimeoutMs,
    keepAliveIdleMs: limits.httpKeepAliveMs,
    connectionsMax: limits.connectionsMax,
    connectionsPerAddressMax: limits.connectionsPerAddressMax,
    progressBytesPerSecondMin: limits.progressBytesPerSecondMin,
    ...own,
  };
}
