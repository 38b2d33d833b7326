import { groupBytes, groupLength } from '@ron/b3';
import { sleep } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { type PlaceOutput, placeSourcesMax } from '@ron/proto/exchange';
import type { Contact } from '@ron/proto/network';
import { checkPossession, randomChallenge } from '../possession.ts';
import type { CopyPorts } from './copy-ports.ts';

const answerMs = 10_000;
/** Between two questions whether the copy has come; doubles. */
const pollMs = 20;
const pollMsMax = 250;
/** For which a node that asks for patience gets it. */
const busyMsMax = 60_000;

type AskingPorts = Pick<CopyPorts, 'ask' | 'clock' | 'random' | 'shelf' | 'settings'>;

export interface CopyWanted {
  readonly address: string;
  readonly sizeBytes: number;
  readonly to: Contact;
  /** Who has it. */
  readonly sources: readonly Contact[];
}

/**
 * Makes a node keep a copy. Resolves with its last answer when the node says that the copy is durable and has proved that it
 * has a group of it, chosen by chance. Rejects with `unavailable` when it refuses (`details.reason`), with `integrity` when its
 * proof is wrong, with what kept it from being asked, or with the reason of the signal.
 */
export async function placeCopy(ports: AskingPorts, wanted: CopyWanted, signal: AbortSignal): Promise<PlaceOutput> {
  const busyEndMs = ports.clock.monotonicMs() + busyMsMax;
  for (let waitMs = pollMs; ; waitMs = Math.min(waitMs * 2, pollMsMax)) {
    signal.throwIfAborted();
    const answer = await patiently(ports, () => askForCopy(ports, wanted), signal);
    if (answer.state === 'held') {
      await patiently(ports, () => challengeCopy(ports, wanted), signal);
      return answer;
    }
    const isBusy = answer.state === 'refused' && answer.reason === 'busy' && ports.clock.monotonicMs() < busyEndMs;
    if (answer.state === 'refused' && !isBusy) throw refused(answer);
    await sleep(ports.clock, isBusy ? (answer.retry_after_ms ?? waitMs) : waitMs, signal);
  }
}

/** A node that is asked too much says when to come again; many small objects are no reason to call their copies failed. */
async function patiently<T>({ clock }: AskingPorts, ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const endMs = clock.monotonicMs() + busyMsMax;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const waitMs = error instanceof RonError && error.code === 'quota_exhausted' ? error.retryAfterMs : undefined;
      if (waitMs === undefined || clock.monotonicMs() + waitMs > endMs) throw error;
      await sleep(clock, waitMs, signal);
    }
  }
}

/** Asks once: begins a copy, or renews it and learns how far it is. */
export function askForCopy({ ask, shelf, settings }: AskingPorts, wanted: CopyWanted): Promise<PlaceOutput> {
  const { address, sizeBytes: size, to, sources } = wanted;
  const { durability } = shelf;
  const input = { address, size, durability, ttl_ms: settings().ttlMs, sources: sources.slice(0, placeSourcesMax) };
  return ask(to, 'place', input, answerMs);
}

/** Rejects with `integrity` when the node does not prove that it has a group, with `not_found` when it says that it has not. */
export async function challengeCopy(ports: AskingPorts, wanted: Omit<CopyWanted, 'sources'>): Promise<void> {
  const { address, sizeBytes: size, to } = wanted;
  const question = randomChallenge(size, ports.random);
  const answer = await ports.ask(to, 'challenge', { address, ...question }, answerMs);
  const content = await ownGroup(ports, address, size, question.group);
  if (checkPossession({ ...question, address, size, node: to.id }, answer, content)) return;
  throw new RonError('integrity', 'the node did not prove that it has its copy');
}

/** With the bytes the whole group of the other is checked. Without them, when they are not here or damaged, one chunk is. */
async function ownGroup({ shelf }: AskingPorts, address: string, size: number, group: number) {
  if (shelf.stat(address)?.state !== 'live') return undefined;
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of shelf.read(address, group * groupBytes(), groupLength(size, group))) {
      pieces.push(piece.slice());
    }
  } catch (error) {
    if (error instanceof RonError && (error.code === 'integrity' || error.code === 'not_found')) return undefined;
    throw error;
  }
  return Buffer.concat(pieces);
}

function refused({ reason = 'busy', retry_after_ms: retryAfterMs }: PlaceOutput): RonError {
  return new RonError('unavailable', `the node takes no copy: ${reason}`, {
    details: { reason },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
