import type { Peer } from '@ron/proto/contract';
import type { mailboxContract } from '@ron/proto/mailbox';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ByteLedger } from '../quota.ts';

export function createMailboxSubscribe(
  mailbox: Peer<typeof mailboxContract>,
  ledger: ByteLedger,
): GatewayHandlers['mailbox_subscribe'] {
  return async (input, { context }) => {
    const { output, body } = await mailbox.subscribe(input, { context });
    return { output, body: ledger.sending(context, body, 'messages') };
  };
}
