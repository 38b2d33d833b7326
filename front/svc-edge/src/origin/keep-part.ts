import type { HttpResponse } from '@ron/kernel';
import type { EdgeContext } from '../edge-context.ts';
import { type ContentRange, formatContentRange, parseContentRange } from '../fields/content-range.ts';
import { matchesStrongly } from '../fields/etag.ts';
import { firstLineOf, textOf } from '../fields/fields.ts';
import type { Inquiry } from '../inquiry.ts';
import { replyFromOrigin } from '../reply/from-origin.ts';
import { copyHeaders, markHeaders } from '../reply/headers.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { withoutOfOneRequest } from '../rules/end-to-end.ts';
import { mergeFields } from '../rules/freshen.ts';
import type { Entry } from '../store/entry.ts';
import { finishBytesMax, GrowingBody } from '../store/growing-body.ts';
import { JoinedBody } from '../store/joined-body.ts';
import { PartialBody } from '../store/partial-body.ts';
import type { Flight } from './flights.ts';
import { lengthOf, newEntry, whyNotKept } from './keep.ts';
import type { Plan } from './plan.ts';
import type { Received } from './send.ts';

/** Passes a 206 on and keeps its part once it is complete. RFC 9111, 3.3. */
export async function keepPart(
  edge: EdgeContext,
  inquiry: Inquiry,
  plan: Plan,
  flight: Flight,
  received: Received,
  status: CacheStatus,
): Promise<HttpResponse> {
  const place = parseContentRange(textOf(received.fields, 'content-range'));
  const { total } = place ?? {};
  const refusal = whyNotKept(edge, inquiry, flight, received);
  if (place === undefined || total === undefined || refusal !== undefined) {
    return replyFromOrigin(inquiry, received, 'MISS', status);
  }
  flight.kept = true;
  const settled = Promise.withResolvers<void>();
  const body = collect(edge, received, (bytes) => {
    if (!flight.overtaken && bytes !== undefined) addPart(edge, inquiry, plan, received, { ...place, total }, bytes);
    settled.resolve();
  });
  const reply = replyFromOrigin(
    inquiry,
    { ...received, response: { ...received.response, body: body.read() } },
    'MISS',
    {
      ...status,
      stored: true,
    },
  );
  flight.storesUntil = settled.promise;
  // Who waits for the same part gets it from the store, so it must be there first; a long one is not waited for.
  if ((lengthOf(received.fields) ?? Number.POSITIVE_INFINITY) <= finishBytesMax) {
    flight.landsAfter = settled.promise;
  }
  return reply;
}

/** Holds what arrives, as far as there is room; `done` has all of it, or nothing when it did not come to its end. */
function collect(edge: EdgeContext, { response, fields }: Received, done: (bytes?: Uint8Array) => void): GrowingBody {
  let leased = 0;
  const body: GrowingBody = new GrowingBody(response.body, {
    declared: lengthOf(fields),
    keep(bytes) {
      if (leased + bytes > edge.store.limits.bodyBytesMax || !edge.store.lease(bytes)) return false;
      leased += bytes;
      return true;
    },
    onSettled(state) {
      edge.store.giveBack(leased);
      done(state === 'complete' ? joined(body.pieces, body.bytes) : undefined);
    },
  });
  return body;
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

/**
 * An origin may announce a part up to the end and send less, in a message that is complete: what came is then what it
 * has, and is put together with nothing. A part that is short anywhere else, or too long, is worth nothing.
 */
function addPart(
  edge: EdgeContext,
  inquiry: Inquiry,
  plan: Plan,
  received: Received,
  place: ContentRange & { total: number },
  bytes: Uint8Array,
): void {
  const { first, last, total } = place;
  const came = first + bytes.byteLength - 1;
  const short = came < last;
  if (bytes.byteLength === 0 || came > last || (short && last !== total - 1)) return;
  const { selected } = plan;
  if (!short && selected?.removed === false && selected.content.kind === 'partial') {
    const { body } = selected.content;
    if (body.total === total && body.end === total - 1 && provesSame(selected, received)) {
      extend(edge, selected, body, first, bytes, received);
      return;
    }
  }
  const current = edge.store.select(inquiry.key, inquiry.fields);
  // Somebody has stored the whole meanwhile.
  if (current !== undefined && current !== selected && current.content.kind === 'whole') return;
  const body = new PartialBody(total, short ? came : total - 1);
  body.add(first, bytes);
  edge.store.add(newEntry(edge, inquiry, received, { kind: 'partial', body }), bytes.byteLength);
}

/** Parts belong together only under one strong validator. RFC 9111, 3.4. */
function provesSame(entry: Entry, { fields }: Received): boolean {
  return matchesStrongly(firstLineOf(entry.fields, 'etag'), firstLineOf(fields, 'etag'));
}

function extend(
  edge: EdgeContext,
  entry: Entry,
  body: PartialBody,
  first: number,
  bytes: Uint8Array,
  received: Received,
): void {
  if (body.isFull || !edge.store.grow(entry, bytes.byteLength)) return;
  body.add(first, bytes);
  const { 'content-range': _range, 'content-length': _length, age, ...fields } = withoutOfOneRequest(received.fields);
  entry.freshen(mergeFields(entry.fields, fields), received.arrival, age === undefined ? undefined : String(age));
}

/** Sends stored parts and the fetched one as one; undefined when they do not belong together. RFC 9111, 3.4. */
export function combine(
  edge: EdgeContext,
  inquiry: Inquiry,
  { selected, gap, wanted }: Plan,
  flight: Flight,
  received: Received,
): HttpResponse | undefined {
  const place = parseContentRange(textOf(received.fields, 'content-range'));
  if (selected?.content.kind !== 'partial' || gap === undefined || wanted === undefined || place === undefined) return;
  const { body } = selected.content;
  const fits = place.first === gap.first && place.last === gap.last && place.total === body.total;
  const length = gap.last - gap.first + 1;
  if (!fits || !provesSame(selected, received) || (lengthOf(received.fields) ?? length) !== length) return;
  flight.kept = true;
  const fetched = collect(edge, received, (bytes) => {
    if (bytes?.byteLength === length && !selected.removed) extend(edge, selected, body, gap.first, bytes, received);
  });
  const { age: _age, ...merged } = mergeFields(selected.fields, received.fields);
  const headers = copyHeaders(merged);
  headers['content-length'] = wanted.last - wanted.first + 1;
  const isWhole = inquiry.fields['range'] === undefined;
  if (!isWhole) headers['content-range'] = formatContentRange({ ...wanted, total: body.total });
  markHeaders(headers, 'MISS', { forward: 'partial', forwardStatus: 206, stored: true }, received.response.version);
  const before = body.read(wanted.first, gap.first - 1);
  const after = body.read(gap.last + 1, wanted.last);
  return { status: isWhole ? 200 : 206, headers, body: new JoinedBody([before, fetched.read(), after]) };
}
