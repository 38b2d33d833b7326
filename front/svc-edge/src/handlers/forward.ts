import type { HttpResponse } from '@ron/kernel';
import type { EdgeContext } from '../edge-context.ts';
import { type Inquiry, keyOf } from '../inquiry.ts';
import { keep } from '../origin/keep.ts';
import { type Received, send } from '../origin/send.ts';
import { replyFromOrigin } from '../reply/from-origin.ts';
import { refuseFailure, refuseWaiting } from '../reply/refusals.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { hasForwarded } from '../rules/forwarded.ts';
import { invalidatedTargets } from '../rules/invalidation.ts';

/** Every method but GET and HEAD: written through to the origin. RFC 9111, 4. */
export async function forward(edge: EdgeContext, inquiry: Inquiry): Promise<HttpResponse> {
  if (edge.gate.isFull) return refuseWaiting(edge, inquiry.request);
  const flight = edge.flights.open(inquiry.key, undefined);
  let over = false;
  inquiry.request.onAbort(() => {
    if (!over) flight.leave();
  });
  try {
    const received = await send(edge, inquiry, { signal: flight.signal });
    over = true;
    flight.land();
    await flight.landed;
    invalidate(edge, inquiry, received);
    const status: CacheStatus = { forward: 'method', forwardStatus: received.response.status };
    const mayKeep = inquiry.method === 'POST' && !hasForwarded(inquiry.fields);
    const kept = mayKeep ? keep(edge, inquiry, flight, received, status) : undefined;
    return kept ?? replyFromOrigin(inquiry, received, 'BYPASS', status);
  } catch (failure) {
    return refuseFailure(edge, inquiry.request, failure, false);
  } finally {
    over = true;
    flight.land();
  }
}

/** Before the client hears of the success, nothing older is left. RFC 9111, 4.4. */
function invalidate(edge: EdgeContext, { method, target, request }: Inquiry, { response, fields }: Received): void {
  const host = request.headers['host'];
  const authorities = [host, edge.originAuthority].filter((authority) => authority !== undefined);
  for (const invalid of invalidatedTargets(method, target, response.status, fields, authorities)) {
    const key = keyOf(edge, host, invalid);
    edge.store.removeAll(key);
    edge.flights.overtake(key);
  }
}
