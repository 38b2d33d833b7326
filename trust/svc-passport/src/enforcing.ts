import { applyRevocation, type RevocationList } from '@ron/auth';
import type { RevocationFeed } from './store/feed.ts';

/** Everything that the feed holds, and from then on everything new, is in force where this node checks capabilities. */
export function enforce(list: RevocationList, feed: RevocationFeed): Disposable {
  for (const entry of feed.entries()) applyRevocation(list, entry);
  return feed.watch((entries) => {
    for (const entry of entries) applyRevocation(list, entry);
  });
}
