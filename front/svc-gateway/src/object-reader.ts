import { outboardSize, SLICE_MEDIA_TYPE, sliceSize } from '@ron/b3';
import type { Random } from '@ron/kernel';
import { type Address, etagOf } from '@ron/naming';
import type { Call, CallContext, Peer, Reply } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import { RonError } from '@ron/proto/errors';
import type { gatewayContract } from '@ron/proto/gateway';
import { type ByteStream, emptyBody, ResidentBody } from '@ron/proto/stream';
import type { LiveConfig } from '@ron/service';
import { prefersSlice } from './accept.ts';
import type { Caching } from './caching.ts';
import { isNotModified, rangeStillApplies } from './conditionals.ts';
import type { GatewayConfig } from './config.ts';
import { readExactly } from './exact-body.ts';
import { boundaryOf, multipartOf } from './multipart.ts';
import type { ByteLedger } from './quota.ts';
import { type ByteSpan, contentRange, parseRange } from './ranges.ts';

export type ReadReply = Reply<(typeof gatewayContract)['operations']['get']>;
export type ReadOutput = ReadReply['output'];

/** The request fields that decide what of an object is sent. */
export interface ReadFields {
  readonly range?: string;
  readonly if_range?: string;
  readonly if_none_match?: string;
  readonly accept?: string;
  readonly head?: boolean;
}

/** What is read, and what its answer says beside the bytes. */
export interface ReadTarget {
  readonly address: string;
  readonly contentType: string;
  readonly caching: Caching;
  readonly contentSecurityPolicy?: string;
  readonly name?: string;
  readonly nameVersion?: number;
}

/** The type of bytes of which nothing is known: no browser shows or runs them. */
export const unknownType = 'application/octet-stream';

/** Outboards up to this size (objects up to 8 GiB) are held in memory to answer ranges of them. */
const outboardRangesBytesMax = 8 * 1024 * 1024;

export interface ObjectReaderPorts {
  readonly edge: Peer<typeof edgeContract>;
  readonly random: Random;
  readonly config: LiveConfig<GatewayConfig>;
  readonly ledger: ByteLedger;
}

/** Reading of objects after RFC 9110: whole, ranges, conditionals, HEAD, verified slices and outboards. */
export class ObjectReader {
  readonly #edge: Peer<typeof edgeContract>;
  readonly #random: Random;
  readonly #config: LiveConfig<GatewayConfig>;
  readonly #ledger: ByteLedger;

  constructor(ports: ObjectReaderPorts) {
    this.#edge = ports.edge;
    this.#random = ports.random;
    this.#config = ports.config;
    this.#ledger = ports.ledger;
  }

  read(target: ReadTarget, fields: ReadFields, call: Call): Promise<ReadReply> {
    if (prefersSlice(fields.accept, target.contentType)) return this.#slice(target, fields, call);
    const plain = fields.range === undefined && fields.if_none_match === undefined && fields.head !== true;
    return plain ? this.#whole(target, call) : this.#negotiated(target, fields, call);
  }

  /** The lane of hot reads: one call, its body passed on as it is. */
  async #whole(target: ReadTarget, call: Call): Promise<ReadReply> {
    const { context } = call;
    const { output, body } = await this.#edge.read({ address: target.address }, { context });
    const answer = answerOf(target, etagOf(target.address as Address), output.size, 'accept');
    answer.content_length = output.size;
    tellCache(answer, output);
    return { output: answer, body: this.#ledger.sending(context, body) };
  }

  async #negotiated(target: ReadTarget, fields: ReadFields, call: Call): Promise<ReadReply> {
    const { context } = call;
    const size = await this.#sizeOf(target.address, call, fields.head === true);
    const answer = answerOf(target, etagOf(target.address as Address), size, 'accept');
    const early = this.#early(answer, fields);
    if (early !== undefined) return early;
    const spans = this.#spansOf(fields, answer.etag!, size);
    if (fields.head === true) return headOf(answer, size);
    if (spans === undefined) return this.#whole(target, call);
    return this.#partial(answer, spans, size, context, async ({ start, length }, on) => {
      const { output, body } = await this.#edge.read({ address: target.address, start, length }, { context: on });
      // Several parts may each have another answer.
      if (spans.length === 1) tellCache(answer, output);
      return body;
    });
  }

  /** The outboard as a representation of its own: another tag, the same conditionals and ranges. */
  async outboard(target: ReadTarget, fields: ReadFields, call: Call): Promise<ReadReply> {
    const { context } = call;
    const objectSize = await this.#sizeOf(target.address, call);
    const size = outboardSize(objectSize);
    const answer = answerOf(target, `"${target.address}.outboard"`, objectSize, undefined);
    const early = this.#early(answer, fields);
    if (early !== undefined) return early;
    const spans = size > outboardRangesBytesMax ? undefined : this.#spansOf(fields, answer.etag!, size);
    if (fields.head === true) return headOf(answer, size);
    const { body } = await this.#edge.outboard({ address: target.address }, { context });
    if (spans === undefined) {
      answer.content_length = size;
      return { output: answer, body: this.#ledger.sending(context, body) };
    }
    const whole = await readExactly(body, size);
    return this.#partial(answer, spans, size, context, async ({ start, length }) => {
      return new ResidentBody(whole.subarray(start, start + length));
    });
  }

  async #slice(target: ReadTarget, fields: ReadFields, call: Call): Promise<ReadReply> {
    const { context } = call;
    const { address } = target;
    const size = await this.#sizeOf(address, call);
    const spans = this.#spansOf(fields, etagOf(address as Address), size);
    if (spans !== undefined && spans.length > 1) {
      throw new RonError('range_not_satisfiable', 'a verified slice proves one range', { details: { size } });
    }
    const span = spans?.[0];
    const tag = span === undefined ? 'slice' : `slice.${span.start}-${span.start + span.length - 1}`;
    // The span is not part of the URL, and a slice of it is a 200: caches must tell the spans apart.
    const answer = answerOf(
      target,
      `"${address}.${tag}"`,
      size,
      fields.range === undefined ? 'accept' : 'accept, range',
    );
    answer.content_type = SLICE_MEDIA_TYPE;
    delete answer.accept_ranges;
    const bytes = sliceSize(size, span?.start ?? 0, span?.length);
    const early = this.#early(answer, fields);
    if (early !== undefined) return early;
    if (fields.head === true) return headOf(answer, bytes);
    const { output, body } = await this.#edge.slice({ address, ...span }, { context });
    answer.content_length = output.slice_size;
    return { output: answer, body: this.#ledger.sending(context, body) };
  }

  /** 304, which needs no look at ranges. */
  #early(answer: Answer, fields: ReadFields): ReadReply | undefined {
    if (fields.if_none_match === undefined || !isNotModified(fields.if_none_match, answer.etag!)) return undefined;
    answer.status = 304;
    delete answer.content_type;
    return { output: answer, body: emptyBody };
  }

  /** Undefined = the whole. RFC 9110, section 14.2: ranges are defined for GET alone, and HEAD must ignore them. */
  #spansOf(fields: ReadFields, etag: string, size: number): readonly ByteSpan[] | undefined {
    if (fields.range === undefined || fields.head === true || !rangeStillApplies(fields.if_range, etag))
      return undefined;
    return parseRange(fields.range, size, this.#config.current().ranges_max);
  }

  async #partial(
    answer: Answer,
    spans: readonly ByteSpan[],
    size: number,
    context: CallContext,
    open: (span: ByteSpan, context: CallContext) => Promise<ByteStream>,
  ): Promise<ReadReply> {
    answer.status = 206;
    const [first] = spans;
    if (spans.length === 1 && first !== undefined) {
      answer.content_range = contentRange(first, size);
      answer.content_length = first.length;
      const body = await open(first, context);
      return { output: answer, body: this.#ledger.sending(context, body) };
    }
    const later = withoutDeadline(context);
    const boundary = boundaryOf(this.#random.bytes(16));
    const plan = multipartOf(spans, size, answer.content_type!, boundary, (span) => open(span, later));
    answer.content_type = plan.contentType;
    answer.content_length = plan.contentLength;
    return { output: answer, body: this.#ledger.sending(context, plan.body) };
  }

  async #sizeOf(address: string, { context }: Call, keep = false): Promise<number> {
    // Who asks whether an object is there is about to build on it.
    return (await this.#edge.stat(keep ? { address, keep } : { address }, { context })).size;
  }
}

type Answer = { -readonly [K in keyof ReadOutput]: ReadOutput[K] };

function answerOf(target: ReadTarget, etag: string, size: number, vary: string | undefined): Answer {
  const { caching } = target;
  const answer: Answer = {
    status: 200,
    address: target.address,
    size,
    etag,
    content_type: target.contentType,
    cache_control: caching.cacheControl,
    accept_ranges: 'bytes',
  };
  if (vary !== undefined) answer.vary = vary;
  if (caching.isPublic) answer.access_control_allow_origin = '*';
  if (target.contentSecurityPolicy !== undefined) answer.content_security_policy = target.contentSecurityPolicy;
  if (target.name !== undefined) answer.name = target.name;
  if (target.nameVersion !== undefined) answer.name_version = target.nameVersion;
  return answer;
}

function tellCache(answer: Answer, { cache, age_s }: { cache: 'HIT' | 'MISS'; age_s?: number }): void {
  answer.cache = cache;
  if (age_s !== undefined) answer.age = age_s;
}

function headOf(answer: Answer, length: number): ReadReply {
  answer.content_length = length;
  return { output: answer, body: emptyBody };
}

/** Parts of a long download are opened while it runs: then progress bounds it, not the time that the call was given. */
function withoutDeadline(context: CallContext): CallContext {
  return {
    corrId: context.corrId,
    traceparent: context.traceparent,
    tenant: context.tenant,
    principal: context.principal,
    deadlineMs: Number.POSITIVE_INFINITY,
    idempotencyKey: undefined,
    get signal() {
      return context.signal;
    },
  };
}
