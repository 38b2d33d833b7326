import type { Caller } from './caller.ts';
import type { CallOptions, GetOptions } from './client.ts';
import type { RonClientError } from './errors.ts';
import { rangeHeader, sliceMediaType } from './reply.ts';
import type { TransportReply } from './transport.ts';

/** How a verified read goes on after its answer broke. */
export interface Resumption {
  /**
   * The answer from byte `start` on, up to `end`, after the pause that any retry takes. `stalls` counts breaks without a
   * byte between them, this one included. Rejects with the error when there is to be no other attempt.
   */
  again(start: number, end: number, error: RonClientError, stalls: number): Promise<TransportReply>;
}

/** Makes one request for a read: `fields` are `range` and `accept`. */
export type Ask = (fields: Readonly<Record<string, unknown>>, call: CallOptions) => Promise<TransportReply>;

export interface OpenedRead {
  readonly reply: TransportReply;
  /** Of all its requests. */
  readonly corrId: string;
  readonly resumption: Resumption | undefined;
}

/**
 * The first answer of a read, and where it is verified the way to the next one, all under one deadline and corr_id.
 * `again` asks where the rest is asked for in another way than the beginning was.
 */
export async function openRead(
  caller: Caller,
  options: GetOptions,
  ask: Ask,
  again: (first: TransportReply) => Ask = () => ask,
): Promise<OpenedRead> {
  const corrId = options.corrId ?? caller.newKey();
  const { signal, verify, range } = options;
  const deadlineMs = caller.deadlineOf(options);
  const within = () => caller.within(deadlineMs, { ...options, corrId });
  const reply = await ask(readInput({ verify: verify !== false, range: rangeHeader(range) }), within());
  if (verify === false) return { reply, corrId, resumption: undefined };
  const askAgain = again(reply);
  return {
    reply,
    corrId,
    resumption: {
      async again(start, end, error, stalls) {
        await caller.beforeRetry(error, stalls, { deadlineMs, signal });
        return askAgain(readInput({ verify: true, range: `bytes=${start}-${end - 1}` }), within());
      },
    },
  };
}

function readInput({ verify, range }: { readonly verify: boolean; readonly range: string | undefined }) {
  return { ...(verify ? { accept: sliceMediaType } : {}), ...(range === undefined ? {} : { range }) };
}
