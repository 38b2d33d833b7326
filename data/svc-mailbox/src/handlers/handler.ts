import type { Handlers } from '@ron/proto/contract';
import type { mailboxContract } from '@ron/proto/mailbox';

export type MailboxHandler<O extends keyof Handlers<typeof mailboxContract>> = Handlers<typeof mailboxContract>[O];
