import type { HttpResponse } from '@ron/kernel';
import type { EdgeContext } from '../edge-context.ts';
import type { Inquiry } from '../inquiry.ts';
import { answerCrowd, answerFailure, ask, askPlainly } from '../origin/ask.ts';
import type { Flight } from '../origin/flights.ts';
import { refresh } from '../origin/refresh.ts';
import { replyFromEntry } from '../reply/from-entry.ts';
import type { CacheWord } from '../reply/headers.ts';
import { refuse } from '../reply/refusals.ts';
import { conditionalNames } from '../rules/conditions.ts';
import { judge } from '../rules/reuse.ts';
import { selectingKey } from '../rules/vary.ts';

/** GET and HEAD: from the store, from a fetch that is under way, or from the origin. RFC 9111, 4. */
export function read(edge: EdgeContext, inquiry: Inquiry): HttpResponse | Promise<HttpResponse> {
  if (mustBypass(inquiry)) return askPlainly(edge, inquiry, 'BYPASS');
  return replyFromStore(edge, inquiry, false) ?? readThrough(edge, inquiry);
}

/**
 * What no stored response may or should answer: a state-changing precondition is for the origin alone (RFC 9111,
 * 4.3.2), content of a GET may change what it means, and who forbids storing wants nothing that was stored.
 */
function mustBypass({ fields, directives, hasContent }: Inquiry): boolean {
  if (hasContent || directives.noStore) return true;
  return fields['if-match'] !== undefined || fields['if-unmodified-since'] !== undefined;
}

async function readThrough(edge: EdgeContext, inquiry: Inquiry): Promise<HttpResponse> {
  if (inquiry.directives.onlyIfCached) {
    return refuse(edge, inquiry.request, {
      status: 504,
      code: 'deadline_exceeded',
      message: 'nothing stored answers this request',
      cacheStatus: { detail: 'only-if-cached' },
      reason: 'only_if_cached',
    });
  }
  if (edge.gate.isFull) return answerCrowd(edge, inquiry);
  const key = joinKey(edge, inquiry);
  const flight = mayJoin(inquiry) ? edge.flights.find(key) : undefined;
  if (flight !== undefined) {
    await join(inquiry, flight);
    if (flight.failure !== undefined && !flight.signal.aborted) {
      return answerFailure(edge, inquiry, edge.store.select(inquiry.key, inquiry.fields), flight.failure);
    }
    const reply = replyFromStore(edge, inquiry, true);
    if (reply !== undefined) return reply;
  }
  return ask(edge, inquiry, mayBeJoined(inquiry) ? key : undefined);
}

async function join(inquiry: Inquiry, flight: Flight): Promise<void> {
  flight.interested++;
  let over = false;
  inquiry.request.onAbort(() => {
    if (!over) flight.leave();
  });
  await flight.landed;
  over = true;
}

/** Requests with one key wait for one answer: same resource, same selecting fields as far as these are known, same part. */
function joinKey(edge: EdgeContext, { key, fields }: Inquiry): string {
  const names = edge.store.variants(key)[0]?.names ?? [];
  return `${key}\n${selectingKey(names, fields)}\n${fields['range'] ?? ''}`;
}

/** Who wants the origin itself to be asked does not wait for somebody else's answer. */
function mayJoin({ directives, fields }: Inquiry): boolean {
  return !directives.noCache && directives.maxAge === undefined && fields['authorization'] === undefined;
}

/** Other clients' conditions, and what only one client may have, are no answer to anybody else. */
function mayBeJoined({ method, fields }: Inquiry): boolean {
  if (method !== 'GET' || fields['authorization'] !== undefined) return false;
  for (const name of conditionalNames) if (name !== 'range' && fields[name] !== undefined) return false;
  return true;
}

export function replyFromStore(edge: EdgeContext, inquiry: Inquiry, collapsed: boolean): HttpResponse | undefined {
  const entry = edge.store.select(inquiry.key, inquiry.fields);
  if (entry === undefined || entry.outdated || entry.isBroken) return undefined;
  const verdict = judge(entry.holding(edge.clock.monotonicMs()), inquiry.directives);
  if (verdict === 'validate') return undefined;
  const word: CacheWord = verdict === 'fresh' ? 'HIT' : 'STALE';
  const reply = replyFromEntry(edge, inquiry, entry, { word, status: { hit: true, collapsed } });
  if (reply !== undefined && verdict === 'behind') refresh(edge, inquiry, entry);
  return reply;
}
