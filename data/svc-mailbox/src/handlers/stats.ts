import { RonError } from '@ron/proto/errors';
import type { BoxStats } from '@ron/proto/mailbox';
import type { BoxCounts, MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import type { MailboxHandler } from './handler.ts';

export function createStats(mailboxes: MailboxEngine): MailboxHandler<'stats'> {
  return async ({ box }, { context }) => {
    const counts = await mailboxes.stats(boxKeyOf(box, context));
    if (counts === undefined) throw noSuchBox();
    return wireStats(counts);
  };
}

export function noSuchBox(): RonError {
  return new RonError('not_found', 'there is no such box: it comes with its first message');
}

export function wireStats({ inFlight, oldestAgeMs, ...counts }: BoxCounts): BoxStats {
  return { ...counts, in_flight: inFlight, oldest_age_ms: oldestAgeMs };
}
