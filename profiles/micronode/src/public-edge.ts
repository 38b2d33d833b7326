import type { Contract } from '@ron/proto/contract';
import { edgeContract } from '@ron/proto/edge';
import type { Dispatcher } from '@ron/service';

/**
 * The edge on the Public Plane: what people do with it, as over HTTP. Reading through it is the gateway's, whose quota
 * counts the bytes; asked for here, it is an operation that there is not.
 */
export function publicEdge(edge: Dispatcher): Dispatcher {
  const operations: Contract['operations'] = edgeContract.operations;
  return {
    contract: edgeContract,
    dispatch(incoming, onStart) {
      const isPublic = operations[incoming.operation]?.http !== undefined;
      return edge.dispatch(isPublic ? incoming : { ...incoming, operation: `private ${incoming.operation}` }, onStart);
    },
    get inflight() {
      return edge.inflight;
    },
    drain: () => edge.drain(),
    abort: (reason) => edge.abort(reason),
  };
}
