import { setTimeout as sleep } from 'node:timers/promises';
import type { RawReply } from './raw-http.ts';
import type { HeardFrame } from './raw-oap.ts';

/** Longest that a well-behaved client goes on asking. */
const patienceMs = 20_000;

interface Refusal {
  readonly retry_after_ms?: number;
  readonly details?: { readonly quota?: string; readonly gate?: string };
}

const isPutOff = (status: number) => status === 429 || status === 503;
const ofReply = ({ status, body }: RawReply) =>
  isPutOff(status) ? (JSON.parse(body.toString()) as Refusal) : undefined;
const ofFrame = ({ code, payload }: HeardFrame) =>
  isPutOff(code) ? (JSON.parse(payload.toString()) as Refusal) : undefined;
const isForStrangers = (why: unknown) => why === 'failed_authentications' || why === 'new_capabilities';

/** Asks again after the time that it is told, as a well-behaved client does. */
export function politely(ask: () => Promise<RawReply>): Promise<RawReply> {
  return whilePutOff(ask, ofReply, () => true);
}

/**
 * What the node says of a credential once it looks at it: strangers who were wrong too often wait before it does, and how
 * often that is depends on how long the machine takes to look.
 */
export function verdictOf(ask: () => Promise<RawReply>): Promise<RawReply> {
  return whilePutOff(ask, ofReply, isForStrangers);
}

/** The same over OAP/1. */
export function verdictOnOap(ask: () => Promise<HeardFrame>): Promise<HeardFrame> {
  return whilePutOff(ask, ofFrame, isForStrangers);
}

async function whilePutOff<T>(
  ask: () => Promise<T>,
  refusalOf: (answer: T) => Refusal | undefined,
  waits: (why: unknown) => boolean,
): Promise<T> {
  for (let leftMs = patienceMs; ; ) {
    const answer = await ask();
    const refusal = refusalOf(answer);
    if (refusal === undefined) return answer;
    const { retry_after_ms: waitMs = 250, details } = refusal;
    leftMs -= waitMs;
    if (leftMs < 0 || !waits(details?.quota ?? details?.gate)) return answer;
    await sleep(waitMs);
  }
}
