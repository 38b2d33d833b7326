import { RonError } from '@ron/proto/errors';
import type { Authenticator } from './access.ts';
import type { Dispatcher } from './dispatcher.ts';

/**
 * A service as the other services of its node ask it, in another process: the capability that comes with a call is the asking
 * service's own, and the call is part of one that was decided about when it came in. So policy, log and quota are not asked again, and the
 * tenant is the one that the caller names.
 */
export function privatePlane(inner: Dispatcher, authenticator: Pick<Authenticator, 'authenticate'>): Dispatcher {
  return {
    contract: inner.contract,
    async dispatch(incoming, onStart) {
      const { principal: _never, ...presented } = incoming.credential;
      const principal = await authenticator.authenticate(presented, incoming.remote);
      if (principal.anonymous) throw new RonError('unauthenticated', 'a valid capability is required');
      return inner.dispatch({ ...incoming, credential: { principal } }, onStart);
    },
    get inflight() {
      return inner.inflight;
    },
    drain: () => inner.drain(),
    abort: (reason) => inner.abort(reason),
  };
}
