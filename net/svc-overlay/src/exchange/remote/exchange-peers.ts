import { groupCount } from '@ron/b3';
import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { type GroupRun, type Held, windowGroupsMax } from '@ron/proto/exchange';
import type { Contact } from '@ron/proto/network';
import type { overlayContract } from '@ron/proto/overlay';
import { type ByteStream, emptyBody } from '@ron/proto/stream';
import type { Static } from 'typebox';
import { Coverage } from '../coverage.ts';
import type { ExchangePeers } from '../fetch/fetch-ports.ts';
import { isAbsence } from '../fetch/slice-stream.ts';
import { checkPossession, randomChallenge } from '../possession.ts';

type Operations = (typeof overlayContract)['operations'];

/** Asks another node for one of the operations of the exchange, with bytes. Rejects with a `RonError`. */
export type CallNode = <Op extends 'have' | 'want' | 'outboard' | 'challenge'>(
  to: Contact,
  operation: Op,
  input: Static<Operations[Op]['input']>,
  signal: AbortSignal,
) => Promise<{ readonly output: Static<Operations[Op]['output']>; readonly body: ByteStream | undefined }>;

export interface NodePeersPorts {
  readonly call: CallNode;
  readonly clock: Clock;
  readonly random: { unit(): number; bytes(length: number): Uint8Array };
  /** Whose word that it has an object is taken. Others prove it, by a group that they could not choose. */
  readonly isTrusted: (node: Contact) => boolean;
}

/** For which a node that has all of an object is not asked again. */
const heldMs = 30_000;
const heldMax = 4_096;

/** Other nodes as sources of a transfer, which names each by its id and address. */
export interface NodePeers extends ExchangePeers {
  outboard(node: string, address: string, signal: AbortSignal): Promise<ByteStream>;
}

export function nameOf({ id, address }: Contact): string {
  return `${id}@${address}`;
}

export function contactOfName(name: string): Contact {
  const at = name.indexOf('@');
  return { id: name.slice(0, at), address: name.slice(at + 1) };
}

export function createNodePeers({ call, clock, random, isTrusted }: NodePeersPorts): NodePeers {
  /** Who has all of what, the newest last. */
  const known = new Map<string, { readonly held: Held; readonly untilMs: number }>();
  const keyOf = (node: string, address: string) => `${node} ${address}`;
  const remember = (key: string, held: Held): void => {
    known.delete(key);
    known.set(key, { held, untilMs: clock.monotonicMs() + heldMs });
    for (const oldest of known.keys()) {
      if (known.size <= heldMax) break;
      known.delete(oldest);
    }
  };
  const ask: CallNode = async (to, operation, input, signal) => {
    try {
      return await call(to, operation, input, signal);
    } catch (error) {
      throw asFailure(error);
    }
  };
  const bodyOf = async <Op extends 'want' | 'outboard'>(
    node: string,
    operation: Op,
    input: Static<Operations[Op]['input']>,
    signal: AbortSignal,
  ): Promise<ByteStream> => {
    try {
      return (await ask(contactOfName(node), operation, input, signal)).body ?? emptyBody;
    } catch (error) {
      // What it said before does not hold any more.
      known.delete(keyOf(node, (input as { address: string }).address));
      throw error;
    }
  };
  return {
    async have(node, address, windowFirst, signal) {
      const key = keyOf(node, address);
      const before = known.get(key);
      if (before !== undefined && before.untilMs > clock.monotonicMs()) return before.held;
      const to = contactOfName(node);
      const input = { addresses: [address], window_first: windowFirst };
      const { output } = await ask(to, 'have', input, signal);
      const held = output.held.find((each) => each.address === address);
      if (held === undefined) return undefined;
      if (!isTrusted(to) && !(await possesses(to, held, windowFirst, signal))) return undefined;
      if (held.complete) remember(key, held);
      return held;
    },
    want: (node, address, ranges: readonly GroupRun[], signal) =>
      bodyOf(node, 'want', { address, ranges: [...ranges] }, signal),
    outboard: (node, address, signal) => bodyOf(node, 'outboard', { address }, signal),
  };

  /** Whether a node proves that it has a random group of what it says it has, by the size that it says. */
  async function possesses(to: Contact, held: Held, windowFirst: number, signal: AbortSignal): Promise<boolean> {
    const { address, size } = held;
    const { nonce, group: any } = randomChallenge(size, random);
    const group = held.complete ? any : shownGroup(held, windowFirst);
    if (group === undefined) return false;
    try {
      const { output } = await ask(to, 'challenge', { address, group, nonce }, signal);
      return checkPossession({ address, size, group, nonce, node: to.id }, output);
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  /** A random one of those that a bitmap shows; undefined when it shows none. */
  function shownGroup(held: Held, windowFirst: number): number | undefined {
    const coverage = Coverage.of(held, windowFirst);
    const shown = Math.min(groupCount(held.size) - windowFirst, windowGroupsMax);
    const from = Math.floor(random.unit() * shown);
    for (let step = 0; step < shown; step++) {
      const group = windowFirst + ((from + step) % shown);
      if (coverage?.has(group) === true) return group;
    }
    return undefined;
  }
}

/** A node that is left alone because it was not reached has failed: it did not ask to be left alone. */
function asFailure(error: unknown): unknown {
  if (!(error instanceof RonError) || error.details?.['reason'] !== 'backoff') return error;
  return new RonError('unavailable', 'the node was not reached', { cause: error });
}
