import type { Env } from '@ron/kernel';
import type { Contract, Peer, PeerOptions, Principal } from '@ron/proto/contract';
import { corrIdOf } from './corr-id.ts';
import type { Dispatcher } from './dispatcher.ts';

/**
 * A peer in the same process: the callee's whole pipeline runs, without a wire. The caller is `principal`, a service
 * with the rights that its contract's `uses` needs; the tenant, corr_id, deadline and cancellation are those of the
 * call on whose behalf it acts.
 */
export function bindLocal<C extends Contract>(
  contract: C,
  dispatcher: () => Dispatcher,
  principal: Principal,
  env: Pick<Env, 'clock' | 'random'>,
  options: { readonly roundTrip?: boolean } = {},
): Peer<C> {
  const peer: Record<string, (input: unknown, options?: PeerOptions) => Promise<unknown>> = {};
  const credential = { principal };
  for (const [operation, { body }] of Object.entries(contract.operations)) {
    const sends = body === 'out' || body === 'both';
    peer[operation] = async (input, call = {}) => {
      const outgoing = await dispatcher().dispatch({
        operation,
        input: options.roundTrip ? throughJson(input) : input,
        body: call.body,
        bodyBytes: call.bodyBytes,
        credential,
        corrId: call.context?.corrId ?? corrIdOf(undefined, env),
        traceparent: call.context?.traceparent,
        idempotencyKey: call.idempotencyKey,
        remote: principal.subject,
        parent: call.context,
      });
      const output = options.roundTrip ? throughJson(outgoing.output) : outgoing.output;
      return sends ? { output, body: outgoing.body } : output;
    };
  }
  return peer as unknown as Peer<C>;
}

/** In tests the local binding sends DTOs through the codec, so that nothing hides here that could not travel. */
function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
