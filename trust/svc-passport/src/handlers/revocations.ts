import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { RevocationFeed } from '../store/feed.ts';
import type { PassportHandler } from './handler.ts';

/** Who waits is counted by the pipeline, which bounds them, and told to end when the node stops. */
export function createRevocations(feed: RevocationFeed, clock: Clock): PassportHandler<'revocations'> {
  return async ({ since = 0, wait_ms = 0 }, { context }) => {
    if (context.principal.tenant !== '') {
      throw new RonError('forbidden', 'the feed is the node’s, not a tenant’s', { details: { reason: 'tenant' } });
    }
    const page = feed.page(since);
    if (page.entries.length > 0 || wait_ms === 0 || since > feed.seq) return page;
    await somethingNew(feed, clock, wait_ms, context.signal);
    return feed.page(since);
  };
}

/** Until the feed moves, the time is up, or the caller leaves. */
function somethingNew(feed: RevocationFeed, clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      watching[Symbol.dispose]();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.after(waitMs, end);
    const watching = feed.watch(end);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}
