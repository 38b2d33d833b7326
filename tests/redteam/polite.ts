import { setTimeout as sleep } from 'node:timers/promises';
import type { RawReply } from './raw-http.ts';

/** Longest that a well-behaved client goes on asking. */
const patienceMs = 20_000;

/** Asks again after the time that it is told, as a well-behaved client does. */
export function politely(ask: () => Promise<RawReply>): Promise<RawReply> {
  return whileRefused(ask, () => true);
}

/**
 * What the node says of a credential once it looks at it: strangers who were wrong too often wait before it does.
 */
export function verdictOf(ask: () => Promise<RawReply>): Promise<RawReply> {
  return whileRefused(ask, (why) => why === 'failed_authentications' || why === 'new_capabilities');
}

async function whileRefused(ask: () => Promise<RawReply>, waits: (why: unknown) => boolean): Promise<RawReply> {
  for (let leftMs = patienceMs; ; ) {
    const reply = await ask();
    if (reply.status !== 429 && reply.status !== 503) return reply;
    const { retry_after_ms: waitMs = 250, details } = JSON.parse(reply.body.toString());
    leftMs -= waitMs;
    if (leftMs < 0 || !waits(details?.quota ?? details?.gate)) return reply;
    await sleep(waitMs);
  }
}
