import { InboundBody, type OapReply } from '@ron/oap';
import { RonError } from '@ron/proto/errors';
import { emptyBody, ResidentBody } from '@ron/proto/stream';
import { abandoned, type Context, type Incoming, MeasuredBody, type Outgoing, readWhole } from '@ron/service';
import { type Backend, type BackendCall, saidByBackend } from '../backends/backend.ts';
import type { Turn } from '../fair/fair-queue.ts';
import { type FrontOperation, type FrontParts, timeoutMsDefault } from '../front-dispatcher.ts';
import type { Caller } from '../identity.ts';
import { counted, ofBackend, type PassedOn, refusalOf, withGate } from './call-request.ts';
import { type Answered, Unsent } from './link-pool.ts';
import { mayRetry } from './retry.ts';

export interface PassageOptions {
  readonly parts: FrontParts;
  readonly known: FrontOperation;
  readonly incoming: Incoming;
  /** The call as the backend gets it. */
  readonly request: PassedOn;
  readonly context: Context;
  readonly caller: Caller;
  readonly waits: boolean;
  /** The call and its answer's body are over; undefined: well. Idempotent from the first on. */
  readonly finish: (error: RonError | undefined) => void;
}

/** Bytes that a transfer moves before its lane pays for them. */
const tollBytes = 262_144;
/** Bodies up to this are passed on as one piece when they came as one. */
const smallBytes = 262_144;

/** One call from its place in line to the last byte of its answer. */
export class Passage {
  readonly #options: PassageOptions;
  #turn: Turn<Backend> | undefined;
  #leaveWaiting: (() => void) | undefined;
  #backend: Backend | undefined;
  #bodyBegun = false;
  #charged = 0;
  #receivedBytes = 0;
  #sentBytes = 0;
  #over = false;

  constructor(options: PassageOptions) {
    this.#options = options;
  }

  /** Rejects with what became of it; then everything that it held is given back. */
  async run(): Promise<Outgoing> {
    try {
      if (this.#options.waits) this.#enterWaiting();
      else await this.#enterLine();
      if (this.#options.context.signal.aborted) throw this.#options.context.signal.reason;
      return await this.#answer(await this.#ask());
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async #enterLine(): Promise<void> {
    const { parts, known, incoming, context, caller } = this.#options;
    this.#charged = known.cost.estimate(incoming.input, incoming.bodyBytes);
    const startMs = parts.env.clock.monotonicMs();
    try {
      const entered = parts.queue.enter({
        lane: caller.lane,
        line: caller.line,
        cost: this.#charged,
        deadlineMs: context.deadlineMs,
        // Looked at by those who wait only: it costs a controller.
        get signal() {
          return context.signal;
        },
      });
      this.#turn = entered instanceof Promise ? await entered : entered;
    } catch (thrown) {
      const error = refusalOf(thrown);
      known.meter.rejected(error.code);
      parts.meters.refused(error.code === 'quota_exhausted' ? 'fair_share' : 'queue');
      throw error;
    }
    parts.meters.queued((parts.env.clock.monotonicMs() - startMs) / 1_000);
    this.#backend = this.#turn.room;
  }

  #enterWaiting(): void {
    const { parts, known, caller } = this.#options;
    const leave = parts.waitingRoom.enter(caller.lane, parts.config.current().waiting_max);
    this.#leaveWaiting = leave;
    const backend = leave === undefined ? undefined : parts.backends.takeWaiting();
    if (backend !== undefined) {
      this.#backend = backend;
      return;
    }
    known.meter.rejected('unavailable');
    parts.meters.refused('waiting');
    throw new RonError('unavailable', 'too many requests wait', { retryAfterMs: 250, details: { gate: 'waiting' } });
  }

  /** Asks the backend and, where that is safe, another one once. */
  async #ask(): Promise<Answered> {
    const { parts, context, incoming } = this.#options;
    const { operation } = this.#options.known;
    for (let first = true; ; first = false) {
      try {
        const answered = await this.#backend!.call(this.#call());
        if (!first) parts.meters.retried('ok');
        return answered;
      } catch (thrown) {
        if (!first) parts.meters.retried('failed');
        const error = refusalOf(thrown);
        const how =
          thrown instanceof Unsent
            ? 'unsent'
            : thrown instanceof RonError && saidByBackend(thrown)
              ? 'answered'
              : 'lost';
        const may = mayRetry({
          first,
          mutation: operation.mutation === true,
          leases: operation.leases === true,
          idempotencyKey: incoming.idempotencyKey !== undefined,
          bodyBegun: this.#bodyBegun,
          error,
          how,
        });
        if (!may || context.signal.aborted || !this.#moveOn())
          throw how === 'lost' ? withGate(error) : ofBackend(error);
      }
    }
  }

  /** Takes room at another backend instead; false when there is none, or when too many calls were repeated lately. */
  #moveOn(): boolean {
    const { parts, waits } = this.#options;
    if (waits) return false;
    const other = parts.backends.take(this.#backend);
    if (other === undefined || !parts.budget.spend()) {
      if (other !== undefined) parts.backends.giveBack(other);
      parts.meters.retried(other === undefined ? 'no_backend' : 'no_budget');
      return false;
    }
    parts.backends.giveBack(this.#backend!);
    this.#backend = other;
    return true;
  }

  #call(): BackendCall {
    const { parts, known, incoming, request, context, waits } = this.#options;
    const leftMs = context.deadlineMs - parts.env.clock.monotonicMs();
    const brings = known.takesBody && incoming.body !== undefined && incoming.bodyBytes !== 0;
    return {
      ...request,
      signal: context.signal,
      timeoutMs: Number.isFinite(leftMs) ? Math.max(1, Math.floor(leftMs)) : undefined,
      ...(brings ? { body: this.#received(), bodyBytes: incoming.bodyBytes } : {}),
      waits,
      timed: !brings,
      restartable: !brings && known.operation.mutation !== true && known.operation.leases !== true,
      lateTells:
        (incoming.timeoutMs ?? Number.POSITIVE_INFINITY) >= (known.operation.limits?.timeoutMs ?? timeoutMsDefault),
      label: known.label,
    };
  }

  #received(): AsyncGenerator<Uint8Array> {
    const { incoming, known } = this.#options;
    const onBegin = (): void => {
      this.#bodyBegun = true;
    };
    return counted(incoming.body!, onBegin, (bytes) => {
      this.#receivedBytes += bytes;
      known.meter.bytesIn(bytes);
      this.#toll();
    });
  }

  async #answer({ reply, done }: Answered): Promise<Outgoing> {
    const { known, context, waits } = this.#options;
    const { output, receipt } = reply;
    const kept = receipt === undefined ? {} : { receipt };
    if (reply.body === undefined) {
      this.#end();
      this.#options.finish(undefined);
      return { output, body: known.sendsBody ? emptyBody : undefined, quota: undefined, release: nothing, ...kept };
    }
    const whole = arrived(reply);
    if (whole !== undefined) {
      const bytes = await readWhole(whole, smallBytes);
      done();
      this.#sentBytes = bytes.byteLength;
      known.meter.bytesOut(bytes.byteLength);
      known.cost.sent(bytes.byteLength);
      this.#end();
      this.#options.finish(undefined);
      return { output, body: new ResidentBody(bytes), quota: undefined, release: nothing, ...kept };
    }
    context.deadlineMs = Number.POSITIVE_INFINITY;
    const onPiece = (bytes: number): void => {
      this.#sentBytes += bytes;
      known.meter.bytesOut(bytes);
      this.#toll();
    };
    const body = new MeasuredBody(reply.body, onPiece, (outcome) => {
      done();
      if (outcome === undefined) known.cost.sent(this.#sentBytes);
      this.#end();
      this.#options.finish(errorOf(outcome));
    });
    if (waits) context.signal.addEventListener('abort', () => body.fail(context.signal.reason), { once: true });
    return { output, body, quota: undefined, release: () => body.release(), ...kept };
  }

  /** What moves is paid for while it moves: a transfer of hours would else be free until its end. */
  #toll(): void {
    const moved = this.#receivedBytes + this.#sentBytes;
    if (moved < this.#charged + tollBytes) return;
    this.#turn?.correct(moved - this.#charged);
    this.#charged = moved;
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    const { parts, known, incoming } = this.#options;
    const leave = this.#leaveWaiting;
    if (leave !== undefined) {
      leave();
      if (this.#backend !== undefined) this.#backend.waiting -= 1;
      return;
    }
    const turn = this.#turn;
    if (turn === undefined) return;
    parts.backends.giveBack(this.#backend!);
    turn.correct(known.cost.real(incoming.input, this.#receivedBytes, this.#sentBytes) - this.#charged);
    turn.end();
  }
}

/** A small body whose announced bytes are all here: one write instead of a stream. */
function arrived({ output, body }: OapReply): InboundBody | undefined {
  if (!(body instanceof InboundBody)) return undefined;
  const announced = (output as { readonly content_length?: unknown } | null)?.content_length;
  return announced === body.receivedBytes && announced <= smallBytes ? body : undefined;
}

function errorOf(outcome: unknown): RonError | undefined {
  if (outcome === undefined) return undefined;
  if (outcome === abandoned) return new RonError('request_timeout', 'the reader left');
  return refusalOf(outcome);
}

function nothing(): void {
  // There is no body to release.
}
