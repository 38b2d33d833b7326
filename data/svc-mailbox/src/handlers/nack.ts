import type { MailboxEngine } from '../engine/engine.ts';
import { boxKeyOf, refusal } from '../requests/box-key.ts';
import { leaseResultsOf } from '../requests/lease-results.ts';
import { parseLease } from '../state/lease-token.ts';
import type { Subscriptions } from '../subscription/subscriptions.ts';
import type { MailboxHandler } from './handler.ts';

export function createNack(mailboxes: MailboxEngine, subscriptions: Subscriptions): MailboxHandler<'nack'> {
  return async ({ box, leases, delay_ms: delayMs, reason }, { context }) => {
    if (reason?.isWellFormed() === false) throw refusal('reason', 'the reason is not well-formed Unicode');
    const command = { op: 'nack', ...boxKeyOf(box, context), leases: leases.map(parseLease), delayMs, reason } as const;
    const good = await mailboxes.execute(command);
    subscriptions.settled(leases.filter((_lease, index) => good[index]));
    return leaseResultsOf(leases, good);
  };
}
