import { mailboxContract } from '@ron/proto/mailbox';
import type { Dispatcher } from '@ron/service';

/**
 * The mailbox contract on the Public Plane. Each operation is the gateway's, so that its quota counts here too; one
 * that the gateway does not have, as `roots`, is `not_found`.
 */
export function publicMailbox(gateway: Dispatcher): Dispatcher {
  return {
    contract: mailboxContract,
    dispatch: (incoming, onStart) =>
      gateway.dispatch({ ...incoming, operation: `mailbox_${incoming.operation}` }, onStart),
    get inflight() {
      return gateway.inflight;
    },
    drain: () => gateway.drain(),
    abort: (reason) => gateway.abort(reason),
  };
}
