import type { Peer } from '@ron/proto/contract';
import type { mailboxContract } from '@ron/proto/mailbox';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { holdObject } from '../object-holding.ts';

export function createMailboxSend(
  mailbox: Peer<typeof mailboxContract>,
  storage: Peer<typeof storageContract>,
): GatewayHandlers['mailbox_send'] {
  return async (input, { context }) => {
    if (input.address !== undefined) await holdObject(storage, input.address, 'a message carries it', context);
    const { idempotencyKey } = context;
    return mailbox.send(input, { context, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) });
  };
}
