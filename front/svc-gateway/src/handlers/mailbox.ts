import type { Call, PeerOptions } from '@ron/proto/contract';

/**
 * The handler of a mailbox operation that the gateway adds nothing to. An idempotency key stays here: the pipeline has
 * remembered it under the caller's name, and behind the gateway all callers have one name.
 */
export function passOn<I, O>(
  ask: (input: I, options: PeerOptions) => Promise<O>,
): (input: I, call: Call) => Promise<O> {
  return (input, { context }) => ask(input, { context });
}
