import { mailboxContract } from '@ron/proto/mailbox';
import { defineService, type Ports } from '@ron/service';
import { MailboxConfig } from './config.ts';
import type { MailboxEngine } from './engine/engine.ts';
import { createAck } from './handlers/ack.ts';
import { createBoxes } from './handlers/boxes.ts';
import { createDeadLetters } from './handlers/dead-letters.ts';
import { createExtend } from './handlers/extend.ts';
import { createNack } from './handlers/nack.ts';
import { createPurge } from './handlers/purge.ts';
import { createRecv } from './handlers/recv.ts';
import { createRedrive } from './handlers/redrive.ts';
import { createRemove } from './handlers/remove.ts';
import { createRoots } from './handlers/roots.ts';
import { createSend } from './handlers/send.ts';
import { createStats } from './handlers/stats.ts';
import { createSubscribe } from './handlers/subscribe.ts';
import { measure } from './meters.ts';
import { MessageIds } from './requests/message-ids.ts';
import { Subscriptions } from './subscription/subscriptions.ts';
import { WaitingRoom } from './waiting.ts';

export { MailboxConfig } from './config.ts';
export type {
  BoxCounts,
  BoxKey,
  DeadLetter,
  LeasedMessage,
  MailboxEngine,
  Page,
  PeekedMessage,
  PlainCommand,
  Position,
} from './engine/engine.ts';
export { type JournalMailboxesOptions, openJournalMailboxes } from './journal/journal-mailboxes.ts';
export { openPostgresMailboxes, type PostgresMailboxesOptions } from './postgres/postgres-mailboxes.ts';
export { createRamMailboxes, type RamMailboxesOptions } from './ram/ram-mailboxes.ts';
export type { Command, Outcomes, Receive, Send } from './state/command.ts';

/** Chosen by the profile, which closes it after the service has stopped. */
export interface MailboxEngines {
  readonly mailboxes: MailboxEngine;
}

type MailboxPorts = Ports<MailboxConfig, Record<never, never>, MailboxEngines>;

/** Mailboxes: contract in @ron/proto/mailbox, configuration table `mailbox`. */
export const mailbox = defineService({
  contract: mailboxContract,
  config: MailboxConfig,
  uses: {},
  async start({ config, engines: { mailboxes }, env, metrics }: MailboxPorts) {
    const ids = new MessageIds(env);
    const subscriptions = new Subscriptions(env.clock);
    const receiving = {
      mailboxes,
      ids,
      clock: env.clock,
      room: new WaitingRoom(() => config.current().waiters_max),
      visibilityDefaultMs: () => config.current().visibility_default_ms,
    };
    const measuring = measure(metrics, mailboxes);
    return {
      handlers: {
        send: createSend(mailboxes, ids, env),
        recv: createRecv(receiving),
        ack: createAck(mailboxes, subscriptions),
        nack: createNack(mailboxes, subscriptions),
        extend: createExtend(mailboxes, subscriptions),
        remove: createRemove(mailboxes, subscriptions),
        subscribe: createSubscribe(receiving, subscriptions),
        dead_letters: createDeadLetters(mailboxes),
        redrive: createRedrive(mailboxes),
        purge: createPurge(mailboxes),
        stats: createStats(mailboxes),
        boxes: createBoxes(mailboxes),
        roots: createRoots(mailboxes),
      },
      gates: () => [
        mailboxes.failure === undefined
          ? { gate: 'mailbox-writable', ok: true }
          : { gate: 'mailbox-writable', ok: false, reason: mailboxes.failure },
      ],
      async [Symbol.asyncDispose]() {
        measuring[Symbol.dispose]();
      },
    };
  },
});
