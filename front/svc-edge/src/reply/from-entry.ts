import type { HttpHeaders, HttpResponse } from '@ron/kernel';
import type { ByteStream } from '@ron/proto/stream';
import type { EdgeContext } from '../edge-context.ts';
import { formatContentRange } from '../fields/content-range.ts';
import { type Fields, textOf } from '../fields/fields.ts';
import { type ByteRange, coalesceRanges, parseRange, resolveRanges } from '../fields/range.ts';
import type { Inquiry } from '../inquiry.ts';
import type { CacheStatus } from '../rules/cache-status.ts';
import { isNotModified, passesIfRange } from '../rules/conditions.ts';
import type { Entry } from '../store/entry.ts';
import { heldBody } from '../store/held-body.ts';
import { unknownContent } from './from-origin.ts';
import { type CacheWord, copyHeaders, markHeaders } from './headers.ts';
import { multipartOf } from './multipart.ts';

export interface Telling {
  readonly word: CacheWord;
  readonly status: CacheStatus;
  /** The fields as they came, for who caused the fetch: with those that are not reused. */
  readonly fields?: Fields;
  /** Sent straight from the origin: an Age only if the origin sent one. RFC 9111, 5.1. */
  readonly firstHand?: boolean;
}

/** Statuses that never have content. RFC 9110, 6.4.1. */
const contentless = new Set([204, 304]);

/** Answers with a stored response, or undefined when it holds too little for this request. RFC 9111, 4. */
export function replyFromEntry(
  edge: EdgeContext,
  inquiry: Inquiry,
  entry: Entry,
  telling: Telling,
): HttpResponse | undefined {
  const headers = headersOf(edge, entry, telling);
  const wallMs = edge.clock.wallMs();
  const stored = telling.fields ?? entry.fields;
  if (entry.status === 200 && (inquiry.method === 'GET' || inquiry.method === 'HEAD')) {
    if (isNotModified(inquiry.fields, stored, entry.arrival.responseWallMs, wallMs)) return notModified(headers);
    const range = textOf(inquiry.fields, 'range');
    if (range !== undefined && inquiry.method === 'GET' && passesIfRange(inquiry.fields, stored, wallMs)) {
      const ranged = rangesOf(edge, entry, range, headers);
      if (ranged !== 'whole') return ranged;
    }
  }
  return whole(inquiry, entry, headers);
}

function headersOf(edge: EdgeContext, entry: Entry, telling: Telling): HttpHeaders {
  const headers = copyHeaders(telling.fields ?? entry.fields);
  const nowMs = edge.clock.monotonicMs();
  const age = entry.ageSeconds(nowMs);
  if (telling.firstHand !== true || headers['age'] !== undefined) headers['age'] = Math.floor(age);
  const status = { ...telling.status, ttl: entry.lifetimeSeconds - age };
  markHeaders(headers, telling.word, status);
  return headers;
}

/** Fields that describe the content that is not sent. RFC 9110, 15.4.5. */
const ofContent = ['content-encoding', 'content-language', 'content-length', 'content-range', 'content-type'];

function notModified(headers: HttpHeaders): HttpResponse {
  for (const name of ofContent) delete headers[name];
  return { status: 304, headers };
}

function whole(inquiry: Inquiry, entry: Entry, headers: HttpHeaders): HttpResponse | undefined {
  const { status, content } = entry;
  if (contentless.has(status)) {
    delete headers['content-length'];
    return { status, headers };
  }
  const { total } = entry;
  if (content.kind === 'partial' && !content.body.covers({ first: 0, last: content.body.total - 1 })) return undefined;
  if (total === undefined) delete headers['content-length'];
  else headers['content-length'] = total;
  if (inquiry.method === 'HEAD') return { status, headers, body: unknownContent };
  return { status, headers, body: readContent(entry, { first: 0, last: Number.POSITIVE_INFINITY }) };
}

function rangesOf(
  edge: EdgeContext,
  entry: Entry,
  field: string,
  headers: HttpHeaders,
): HttpResponse | 'whole' | undefined {
  const asked = parseRange(field);
  const { content, total } = entry;
  if (asked === undefined || total === undefined) return 'whole';
  const held = content.kind === 'partial' ? content.body.end + 1 : total;
  const ranges = resolveRanges(asked, held);
  if (content.kind === 'partial' && !ranges.every((range) => content.body.covers(range))) return undefined;
  const [first] = ranges;
  if (first === undefined) {
    if (content.kind === 'partial') return undefined;
    headers['content-range'] = `bytes */${total}`;
    delete headers['content-length'];
    return { status: 416, headers };
  }
  if (ranges.length === 1) {
    headers['content-range'] = formatContentRange({ ...first, total });
    headers['content-length'] = first.last - first.first + 1;
    return { status: 206, headers, body: readContent(entry, first) };
  }
  const parts = coalesceRanges(ranges);
  const multipart = multipartOf(parts, total, textOf(headers, 'content-type'), edge.random, (part) =>
    readContent(entry, part),
  );
  headers['content-type'] = multipart.type;
  headers['content-length'] = multipart.length;
  const body = content.kind === 'whole' ? heldBody(content.body, multipart.body) : multipart.body;
  return { status: 206, headers, body };
}

function readContent({ content }: Entry, { first, last }: ByteRange): ByteStream {
  if (content.kind === 'partial') return content.body.read(first, last);
  return heldBody(content.body, content.body.read(first, last));
}
