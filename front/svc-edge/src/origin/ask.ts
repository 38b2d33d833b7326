import type { HttpResponse } from '@ron/kernel';
import type { EdgeContext } from '../edge-context.ts';
import type { Inquiry } from '../inquiry.ts';
import { replyFromEntry } from '../reply/from-entry.ts';
import { drain, replyFromOrigin } from '../reply/from-origin.ts';
import type { CacheWord } from '../reply/headers.ts';
import { refuseFailure, refuseWaiting } from '../reply/refusals.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { conditionalNames } from '../rules/conditions.ts';
import { agreesWithHead, chooseFreshened } from '../rules/freshen.ts';
import { forbidsStale, isOriginError, mayStandIn } from '../rules/reuse.ts';
import type { Entry } from '../store/entry.ts';
import type { Flight } from './flights.ts';
import { freshenEntry, keep } from './keep.ts';
import { combine, keepPart } from './keep-part.ts';
import { type Plan, plainly, planFor } from './plan.ts';
import { type Received, send } from './send.ts';

/** Asks the origin and makes the best of its answer. `joinKey`: others may wait for it. */
export async function ask(edge: EdgeContext, inquiry: Inquiry, joinKey: string | undefined): Promise<HttpResponse> {
  const flight = edge.flights.open(inquiry.key, joinKey);
  let over = false;
  inquiry.request.onAbort(() => {
    if (!over) flight.leave();
  });
  try {
    return await askAs(edge, inquiry, planFor(edge, inquiry), flight);
  } finally {
    over = true;
    if (flight.landsAfter === undefined) flight.land();
    else void flight.landsAfter.then(() => flight.land());
  }
}

async function askAs(edge: EdgeContext, inquiry: Inquiry, plan: Plan, flight: Flight): Promise<HttpResponse> {
  let received: Received;
  try {
    received = await send(edge, inquiry, { without: plan.without, added: plan.added, signal: flight.signal });
  } catch (failure) {
    flight.failure = failure;
    return answerFailure(edge, inquiry, plan.selected, failure);
  }
  return deal(edge, inquiry, plan, flight, received);
}

/** RFC 9111, 4.3.3 and 4.3.4. */
async function deal(
  edge: EdgeContext,
  inquiry: Inquiry,
  plan: Plan,
  flight: Flight,
  received: Received,
): Promise<HttpResponse> {
  const { response } = received;
  if (response.status === 304 && plan.kind === 'validate') {
    void drain(response.body);
    const reply = freshened(edge, inquiry, plan, flight, received);
    return reply ?? askAgain(edge, inquiry, plan, flight);
  }
  if (isOriginError(response.status) && plan.selected !== undefined) {
    const told: CacheStatus = { detail: 'origin-error', forwardStatus: response.status };
    const standIn = standInFor(edge, inquiry, plan.selected, told);
    if (standIn !== undefined) {
      flight.failure = new Error(`the origin said ${response.status}`);
      void drain(response.body);
      return standIn;
    }
  }
  if (plan.kind === 'complete' && (response.status === 206 || response.status === 416)) {
    const combined = response.status === 206 ? combine(edge, inquiry, plan, flight, received) : undefined;
    if (combined !== undefined) return combined;
    void drain(response.body);
    return askAgain(edge, inquiry, plan, flight);
  }
  if (inquiry.method === 'HEAD') return dealWithHead(edge, inquiry, plan, received);
  const status: CacheStatus = { forward: reasonOf(edge, inquiry, plan), forwardStatus: response.status };
  if (response.status === 206) return keepPart(edge, inquiry, plan, flight, received, status);
  const reply = keep(edge, inquiry, flight, received, status);
  if (reply !== undefined) return reply;
  // What was asked about is not what the origin has now, and what it has now is not to be kept.
  if (plan.kind !== 'plain' && plan.selected !== undefined) edge.store.remove(plan.selected);
  return replyFromOrigin(inquiry, received, 'MISS', status);
}

/** The answer was about nothing that is stored: the whole is asked for, with no condition of the cache's own. */
function askAgain(edge: EdgeContext, inquiry: Inquiry, plan: Plan, flight: Flight): Promise<HttpResponse> {
  if (plan.selected !== undefined) edge.store.remove(plan.selected);
  return askAs(edge, inquiry, { ...plainly(undefined), without: conditionalNames }, flight);
}

function freshened(
  edge: EdgeContext,
  inquiry: Inquiry,
  plan: Plan,
  flight: Flight,
  received: Received,
): HttpResponse | undefined {
  const chosen = chooseFreshened(plan.nominated, (entry) => entry.fields, received.fields);
  if (chosen === undefined || chosen.isBroken || chosen.removed) return undefined;
  const body = chosen.content.kind === 'whole' ? chosen.content.body : undefined;
  // What the 304 forbids to keep still answers this request.
  body?.retain?.();
  const entry = freshenEntry(edge, inquiry, chosen, chosen === plan.selected, flight, received);
  const status: CacheStatus = { forward: reasonOf(edge, inquiry, plan), forwardStatus: 304, stored: !entry.removed };
  const reply = replyFromEntry(edge, inquiry, entry, { word: 'REVALIDATED', status });
  body?.release?.();
  return reply;
}

/** RFC 9111, 4.3.5. */
function dealWithHead(edge: EdgeContext, inquiry: Inquiry, plan: Plan, received: Received): HttpResponse {
  const status: CacheStatus = { forward: reasonOf(edge, inquiry, plan), forwardStatus: received.response.status };
  const stored = plan.selected;
  if (received.response.status === 200 && stored?.status === 200) {
    if (agreesWithHead(stored.fields, stored.total, received.fields)) {
      void drain(received.response.body);
      const entry = freshenEntry(edge, inquiry, stored, true, undefined, received);
      const reply = replyFromEntry(edge, inquiry, entry, { word: 'REVALIDATED', status });
      if (reply !== undefined) return reply;
    } else stored.outdated = true;
  }
  return replyFromOrigin(inquiry, received, 'MISS', status);
}

/** The origin gave no answer: what is stored may stand in, or the client hears of it. */
export function answerFailure(
  edge: EdgeContext,
  inquiry: Inquiry,
  selected: Entry | undefined,
  failure: unknown,
): HttpResponse {
  const standIn = standInFor(edge, inquiry, selected, { detail: 'origin-failed' });
  if (standIn !== undefined) return standIn;
  const mustValidate = selected !== undefined && forbidsStale(selected.policy);
  return refuseFailure(edge, inquiry.request, failure, mustValidate);
}

/** Too many wait already: nobody else does. */
export function answerCrowd(edge: EdgeContext, inquiry: Inquiry): HttpResponse {
  const selected = edge.store.select(inquiry.key, inquiry.fields);
  return standInFor(edge, inquiry, selected, { detail: 'waiters' }) ?? refuseWaiting(edge, inquiry.request);
}

function standInFor(
  edge: EdgeContext,
  inquiry: Inquiry,
  selected: Entry | undefined,
  told: CacheStatus,
): HttpResponse | undefined {
  if (selected === undefined || selected.isBroken || selected.outdated || selected.removed) return undefined;
  if (!mayStandIn(selected.holding(edge.clock.monotonicMs()), inquiry.directives)) return undefined;
  return replyFromEntry(edge, inquiry, selected, { word: 'STALE', status: { hit: true, ...told } });
}

function reasonOf(edge: EdgeContext, inquiry: Inquiry, plan: Plan): NonNullable<CacheStatus['forward']> {
  const { selected } = plan;
  if (plan.kind === 'complete' || selected?.content.kind === 'partial') return 'partial';
  if (selected !== undefined) return isFresh(edge, selected) ? 'request' : 'stale';
  return edge.store.variants(inquiry.key).length > 0 ? 'vary-miss' : 'uri-miss';
}

function isFresh(edge: EdgeContext, entry: Entry): boolean {
  return entry.ageSeconds(edge.clock.monotonicMs()) < entry.lifetimeSeconds;
}

/** Past the store in both directions. */
export async function askPlainly(edge: EdgeContext, inquiry: Inquiry, word: CacheWord): Promise<HttpResponse> {
  if (edge.gate.isFull) return refuseWaiting(edge, inquiry.request);
  const abort = new AbortController();
  inquiry.request.onAbort(() => abort.abort());
  const status: CacheStatus = { forward: inquiry.method === 'GET' ? 'bypass' : 'method' };
  try {
    return replyFromOrigin(inquiry, await send(edge, inquiry, { signal: abort.signal }), word, status);
  } catch (failure) {
    return refuseFailure(edge, inquiry.request, failure, false);
  }
}
