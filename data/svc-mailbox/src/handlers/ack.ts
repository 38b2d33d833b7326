import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf } from '../requests/box-key.ts';
import { leaseResultsOf } from '../requests/lease-results.ts';
import { parseLease } from '../state/lease-token.ts';
import type { Subscriptions } from '../subscription/subscriptions.ts';
import type { MailboxHandler } from './handler.ts';

export function createAck(mailboxes: MailboxEngine, subscriptions: Subscriptions): MailboxHandler<'ack'> {
  return async ({ box, leases }, { context }) => {
    const command = { op: 'ack', ...boxKeyOf(box, context), leases: leases.map(parseLease) } as const;
    const good = await mailboxes.execute(command);
    subscriptions.settled(leases.filter((_lease, index) => good[index]));
    return leaseResultsOf(leases, good);
  };
}
