import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { createConnection } from '../connection.ts';
import type { ClosedConnection, Connection, StartedAnswer } from '../connection-types.ts';
import type { Inflate } from '../inflate.ts';
import { limits } from '../limits.ts';
import { parseStrictJson } from '../strict-json.ts';
import { InboundBody } from './inbound-body.ts';
import { OutboundBody } from './outbound-body.ts';
import { PendingCall, type Settle } from './pending-call.ts';
import { type BytePipe, type DriverClock, tickMs } from './pipe.ts';

export interface OapCall {
  readonly app: number;
  readonly operation: string;
  /** The input DTO. */
  readonly input: unknown;
  readonly body?: ByteStream | undefined;
  readonly bodyBytes?: number | undefined;
  readonly capability?: Uint8Array | undefined;
  readonly tenant?: Uint8Array | undefined;
  /** In place of `tenant`, for one that is not named by 16 bytes. */
  readonly tenantName?: string | undefined;
  readonly corrId: string;
  /**
   * Milliseconds from now to the beginning of the answer, waiting in line included; the server is told what is left.
   * Without it the answer must begin within ten minutes after the last byte of `body`.
   */
  readonly timeoutMs?: number | undefined;
  readonly traceparent?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** That the caller holds the key which its capability is bound to. */
  readonly proof?: string | undefined;
  /** Asks for the proof that the call is in the audit log. */
  readonly receipt?: true | undefined;
  /** The address of the client that the call is made for; only nodes that trust this peer read it. */
  readonly remote?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OapReply {
  readonly output: unknown;
  /**
   * Undefined when the answer had no body. It must be read or left (`return` of its iterator, also before the first
   * `next`), else its stream stays open. A minute without a byte or an event while its reader waits is `unavailable`.
   */
  readonly body: ByteStream | undefined;
  /** As the node gave it; nothing of it was checked. */
  readonly receipt?: string;
}

export interface OapClientOptions {
  readonly pipe: BytePipe;
  readonly clock: DriverClock;
  readonly agent?: string;
  readonly inflate?: Inflate;
}

/** Calls over one OAP/1 connection. At most 64 run at once; more wait in line, at most 1,024 of them. */
export interface OapClient {
  /**
   * Rejects with `RonError`, or with what the source of `body` threw: `unavailable` without a connection, past the
   * line, or when a body stands still for a minute; `deadline_exceeded` when it is late or `signal` aborts.
   */
  call(call: OapCall): Promise<OapReply>;
  readonly open: boolean;
  /** Calls that run or wait in line. */
  readonly load: number;
  /** Resolves when the connection is over, however it ended. */
  readonly closed: Promise<void>;
  close(): void;
}

const waitingMax = 1_024;

export function createOapClient(options: OapClientOptions): OapClient {
  return new Client(options);
}

class Client implements OapClient {
  readonly closed: Promise<void>;
  readonly #connection: Connection;
  readonly #pipe: BytePipe;
  readonly #clock: DriverClock;
  /** By stream; at most 64. */
  readonly #running = new Map<number, PendingCall>();
  /** First come, first served. */
  readonly #waiting: PendingCall[] = [];
  #open = true;
  #tick: { cancel(): void } | undefined;
  #onClosed: () => void = () => undefined;

  constructor({ pipe, clock, agent, inflate }: OapClientOptions) {
    this.#pipe = pipe;
    this.#clock = clock;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    this.#connection = createConnection({
      role: 'opener',
      write: (pieces) => pipe.write(pieces),
      ...(agent === undefined ? {} : { agent }),
      ...(inflate === undefined ? {} : { inflate }),
      handler: {
        ready: () => this.#admit(),
        open: () => undefined,
        answer: (answer) => this.#answer(answer),
        data: (streamId, bytes) => this.#running.get(streamId)?.inbound?.push(bytes),
        end: (streamId) => this.#over(streamId, (pending) => pending.inbound?.end()),
        error: (streamId, error) => this.#over(streamId, (pending) => pending.fail(error)),
        cancel: (streamId) =>
          this.#over(streamId, (pending) => pending.fail(new RonError('unavailable', 'the node ended the call'))),
        event: (streamId, _header, body) => this.#event(streamId, body),
        ack: () => undefined,
        writable: (streamId) => this.#running.get(streamId)?.outbound?.writable(),
        closed: (close) => this.#closed(close),
      },
    });
    pipe.start({
      data: (bytes) => this.#connection.receive(bytes),
      drain: () => this.#connection.drained(),
      close: () => this.#connection.ended(),
    });
    this.#connection.start();
    this.#arm();
  }

  get open(): boolean {
    return this.#open;
  }

  get load(): number {
    return this.#running.size + this.#waiting.length;
  }

  call(call: OapCall): Promise<OapReply> {
    return new Promise<OapReply>((resolve, reject) => this.#enqueue(call, { resolve, reject }));
  }

  close(): void {
    this.#connection.close();
  }

  #enqueue(call: OapCall, settle: Settle): void {
    if (!this.#open) throw new RonError('unavailable', 'the connection to the node is over');
    if (call.signal?.aborted) throw ended();
    if (this.#waiting.length >= waitingMax)
      throw new RonError('unavailable', 'too many calls wait for this connection', { retryAfterMs: 250 });
    const pending = new PendingCall(call, this.#clock.monotonicMs(), settle, () => this.#stop(pending, ended()));
    this.#waiting.push(pending);
    this.#admit();
  }

  /** Begins what waits, in order, while there are free streams. */
  #admit(): void {
    while (this.#open && this.#connection.canOpen) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      try {
        this.#begin(next);
      } catch (error) {
        next.end();
        next.fail(error);
      }
    }
  }

  #begin(pending: PendingCall): void {
    const { call } = pending;
    const leftMs = pending.leftMs(this.#clock.monotonicMs());
    const streamId = this.#connection.open({
      app: call.app,
      header: {
        op: call.operation,
        corr_id: call.corrId,
        ...(leftMs === undefined ? {} : { deadline_ms: leftMs }),
        ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
        ...(call.idempotencyKey === undefined ? {} : { idempotency_key: call.idempotencyKey }),
        ...(call.proof === undefined ? {} : { proof: call.proof }),
        ...(call.receipt === undefined ? {} : { receipt: call.receipt }),
        ...(call.bodyBytes === undefined ? {} : { body_bytes: call.bodyBytes }),
        ...(call.tenantName === undefined ? {} : { tenant: call.tenantName }),
        ...(call.remote === undefined ? {} : { remote: call.remote }),
      },
      body: encoder.encode(JSON.stringify(call.input)),
      end: call.body === undefined,
      ...(call.capability === undefined ? {} : { capability: call.capability }),
      ...(call.tenant === undefined ? {} : { tenant: call.tenant }),
    });
    pending.streamId = streamId;
    this.#running.set(streamId, pending);
    if (call.body === undefined) return;
    pending.outbound = new OutboundBody(this.#connection, streamId);
    pending.outbound.send(call.body).catch((cause) => this.#stop(pending, cause));
  }

  #answer(answer: StartedAnswer): void {
    const { streamId } = answer;
    const pending = this.#running.get(streamId);
    if (pending === undefined) return;
    const { receipt } = answer.header;
    const kept = receipt === undefined ? {} : { receipt };
    let output: unknown;
    try {
      // Of what was asked for as many items are taken as fit into its bytes: a page of an audit log has tens of thousands.
      const itemsMax = Number.POSITIVE_INFINITY;
      output = parseStrictJson(answer.body, { bytesMax: limits.controlBodyBytesMax, itemsMax });
    } catch (cause) {
      this.#stop(pending, new RonError('internal', 'the node sent an unreadable answer', { cause }));
      return;
    }
    if (answer.end) {
      this.#over(streamId, () => pending.answer({ output, body: undefined, ...kept }));
      return;
    }
    pending.inbound = new InboundBody(
      (bytes) => this.#connection.consumed(streamId, bytes),
      () => {
        this.#connection.cancel(streamId);
        this.#over(streamId, () => undefined);
      },
    );
    pending.answer({ output, body: pending.inbound, ...kept });
  }

  /** Pushed pieces are an answer's body like any other; one without bytes says only that its source is alive. */
  #event(streamId: number, body: Uint8Array): void {
    const pending = this.#running.get(streamId);
    pending?.heard();
    if (pending?.inbound === undefined) this.#connection.consumed(streamId, body.byteLength);
    else pending.inbound.push(body);
  }

  /** Our side wants no more of a call, wherever it is. */
  #stop(pending: PendingCall, error: unknown): void {
    if (pending.streamId === undefined) {
      const at = this.#waiting.indexOf(pending);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      pending.end();
      pending.fail(error);
      return;
    }
    this.#connection.cancel(pending.streamId);
    this.#over(pending.streamId, () => pending.fail(error));
  }

  #over(streamId: number, finish: (pending: PendingCall) => void): void {
    const pending = this.#running.get(streamId);
    if (pending === undefined) return;
    this.#running.delete(streamId);
    pending.end();
    finish(pending);
    this.#admit();
  }

  #closed(close: ClosedConnection): void {
    this.#open = false;
    this.#tick?.cancel();
    const error = close.error ?? new RonError('unavailable', 'the connection to the node ended');
    for (const pending of [...this.#running.values(), ...this.#waiting.splice(0)]) {
      pending.end();
      pending.fail(error);
    }
    this.#running.clear();
    this.#pipe.close();
    this.#onClosed();
  }

  #arm(): void {
    this.#tick = this.#clock.after(tickMs, () => {
      const nowMs = this.#clock.monotonicMs();
      this.#connection.tick(nowMs);
      for (const pending of [...this.#running.values(), ...this.#waiting]) {
        const error = pending.judge(nowMs);
        if (error !== undefined) this.#stop(pending, error);
      }
      if (this.#open) this.#arm();
    });
  }
}

function ended(): RonError {
  return new RonError('deadline_exceeded', 'the call was ended by its caller');
}

const encoder = new TextEncoder();
