import type { HttpResponse } from '@ron/kernel';
import { ResidentBody } from '@ron/proto/stream';
import type { EdgeContext } from '../edge-context.ts';
import { type Fields, firstLineOf } from '../fields/fields.ts';
import { formatHttpDate } from '../fields/http-date.ts';
import { type Inquiry, keyOf } from '../inquiry.ts';
import { replyFromEntry } from '../reply/from-entry.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { withoutNamed, withoutOfOneRequest } from '../rules/end-to-end.ts';
import { forwardedNames } from '../rules/forwarded.ts';
import { mergeFields } from '../rules/freshen.ts';
import { resolveTarget } from '../rules/invalidation.ts';
import { guessedSeconds } from '../rules/operator-defaults.ts';
import { readPolicy } from '../rules/policy.ts';
import { type Refusal, refusalOf } from '../rules/storability.ts';
import { Entry } from '../store/entry.ts';
import { GrowingBody } from '../store/growing-body.ts';
import type { Flight } from './flights.ts';
import type { Received } from './send.ts';

/** Why a response is not kept; undefined = it may be. */
export function whyNotKept(
  edge: EdgeContext,
  inquiry: Inquiry,
  flight: Flight,
  { response, fields, arrival }: Received,
): Refusal | 'overtaken' | 'too-large' | undefined {
  if (flight.overtaken) return 'overtaken';
  const refusal = refusalOf({
    method: inquiry.method,
    uri: inquiry.key,
    request: inquiry.fields,
    requestNoStore: inquiry.directives.noStore,
    status: response.status,
    response: fields,
    policy: readPolicy(fields),
    wallMs: arrival.responseWallMs,
    contentLocation: contentLocationKey(edge, inquiry, fields),
    guessedSeconds: guessedSeconds(edge.defaults, response.status, inquiry.fields, fields),
  });
  if (refusal !== undefined) return refusal;
  return (lengthOf(fields) ?? 0) > edge.store.limits.bodyBytesMax ? 'too-large' : undefined;
}

function contentLocationKey(edge: EdgeContext, inquiry: Inquiry, fields: Fields): string | undefined {
  const host = inquiry.request.headers['host'];
  const authorities = [host, edge.originAuthority].filter((authority) => authority !== undefined);
  const target = resolveTarget(firstLineOf(fields, 'content-location'), inquiry.target, authorities);
  return target === undefined ? undefined : keyOf(edge, host, target);
}

export function lengthOf(fields: Fields): number | undefined {
  const line = firstLineOf(fields, 'content-length');
  return line !== undefined && /^\d{1,15}$/.test(line) ? Number(line) : undefined;
}

/** Stores a response while it is sent; undefined when it is not to be kept. */
export function keep(
  edge: EdgeContext,
  inquiry: Inquiry,
  flight: Flight,
  received: Received,
  status: CacheStatus,
): HttpResponse | undefined {
  const entry = keepEntry(edge, inquiry, flight, received);
  if (entry === undefined) return undefined;
  return replyFromEntry(edge, inquiry, entry, {
    word: 'MISS',
    status: { ...status, stored: true },
    fields: { date: entry.fields['date'], ...received.fields },
    firstHand: true,
  });
}

/** As `keep`, with nobody to send it to. The entry is there from the head on; one whose body breaks off leaves again. */
export function keepEntry(edge: EdgeContext, inquiry: Inquiry, flight: Flight, received: Received): Entry | undefined {
  const { response, fields } = received;
  if (whyNotKept(edge, inquiry, flight, received) !== undefined) return undefined;
  const { store } = edge;
  let entry: Entry | undefined;
  const whole = response.body instanceof ResidentBody ? response.body.bytes : undefined;
  const body = new GrowingBody(response.body, {
    isFilled: whole !== undefined,
    declared: response.status === 204 ? undefined : lengthOf(fields),
    keep: (bytes) => entry !== undefined && store.grow(entry, bytes),
    onSettled: (state) => {
      if (state === 'broken' && entry !== undefined) store.remove(entry);
    },
  });
  entry = newEntry(edge, inquiry, received, { kind: 'whole', body });
  store.add(entry);
  if (whole !== undefined) body.fill(whole);
  flight.kept = true;
  return entry;
}

export function newEntry(edge: EdgeContext, inquiry: Inquiry, received: Received, content: Entry['content']): Entry {
  const { response, fields, arrival } = received;
  return new Entry({
    key: inquiry.key,
    status: response.status === 206 ? 200 : response.status,
    fields: storedFields(received),
    request: inquiry.fields,
    arrival,
    age: firstLineOf(fields, 'age'),
    content,
    defaults: edge.defaults,
    selectedBy: selectedBy(edge),
  });
}

/** What is passed on may decide what is answered, whether the origin says so or not. */
function selectedBy({ passForwarded }: EdgeContext): readonly string[] {
  return passForwarded ? forwardedNames : [];
}

/** What of a head is kept. RFC 9111, 3.1. */
function storedFields({ response, fields, arrival }: Received): Fields {
  const policy = readPolicy(fields);
  const date = fields['date'] ?? formatHttpDate(arrival.responseWallMs);
  const shared = withoutOfOneRequest({ ...fields, date });
  const { age: _age, ...rest } = withoutNamed(shared, policy.noCache, policy.private);
  if (response.status !== 206) return rest;
  const { 'content-range': _range, 'content-length': _length, ...ofWhole } = rest;
  return ofWhole;
}

/** A 304, or a HEAD that agrees, renews what is stored. RFC 9111, 4.3.4 and 4.3.5. */
export function freshenEntry(
  edge: EdgeContext,
  inquiry: Inquiry,
  chosen: Entry,
  isSelected: boolean,
  flight: Flight | undefined,
  received: Received,
): Entry {
  const merged = mergeFields(chosen.fields, storedFields(received));
  const age = firstLineOf(received.fields, 'age');
  let entry = chosen;
  if (isSelected) chosen.freshen(merged, received.arrival, age);
  else {
    // The origin chose, for other selecting fields, a response that is stored: it now answers these too.
    const { key, fields: request } = inquiry;
    const { status, content } = chosen;
    const { defaults } = edge;
    const { arrival } = received;
    const kept = { fields: merged, request, arrival, age, content, defaults, selectedBy: selectedBy(edge) };
    entry = new Entry({ key, status, ...kept });
    if (flight?.overtaken !== true && !entry.policy.noStore) edge.store.add(entry, content.body.bytes);
  }
  if (entry.policy.noStore || entry.policy.private?.length === 0 || flight?.overtaken === true)
    edge.store.remove(entry);
  return entry;
}
