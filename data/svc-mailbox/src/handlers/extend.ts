import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import { leaseResultsOf } from '../requests/lease-results.ts';
import { parseLease } from '../state/lease-token.ts';
import type { Subscriptions } from '../subscription/subscriptions.ts';
import type { MailboxHandler } from './handler.ts';

export function createExtend(mailboxes: MailboxEngine, subscriptions: Subscriptions): MailboxHandler<'extend'> {
  return async ({ box, leases, visibility_ms: visibilityMs }, { context }) => {
    const key = boxKeyOf(box, context);
    const good = await mailboxes.execute({ op: 'extend', ...key, leases: leases.map(parseLease), visibilityMs });
    subscriptions.extended(
      leases.filter((_lease, index) => good[index]),
      visibilityMs,
    );
    return leaseResultsOf(leases, good);
  };
}
