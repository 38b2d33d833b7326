import type { Contract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Dispatcher } from '@ron/service';

/**
 * A service that may not have started yet, or is starting anew: until then its callers are asked to come again. It answers to
 * the operations of `contract`, which may be a part of the service's own.
 */
export function lateDispatcher(contract: Contract, present: () => Dispatcher | undefined): Dispatcher {
  return {
    contract,
    dispatch: async (incoming, onStart) => {
      if (!Object.hasOwn(contract.operations, incoming.operation)) {
        throw new RonError('not_found', 'there is no such operation');
      }
      const dispatcher = present();
      if (dispatcher === undefined) throw new RonError('unavailable', 'the node is starting', { retryAfterMs: 250 });
      return await dispatcher.dispatch(incoming, onStart);
    },
    askPressure: (operation, waitedMs) => present()?.askPressure?.(operation, waitedMs),
    get inflight() {
      return present()?.inflight ?? 0;
    },
    drain: async () => await present()?.drain(),
    abort: (reason) => present()?.abort(reason),
  };
}
