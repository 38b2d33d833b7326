import type { Duplex, Env, Log, Timer } from '@ron/kernel';
import { formatTenant } from '@ron/naming';
import {
  type Connection,
  createConnection,
  type HelloIdentity,
  InboundBody,
  limits,
  type OpenedStream,
  OutboundBody,
  parseStrictJson,
  TransferWatch,
  tickMs,
} from '@ron/oap';
import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Credential } from './access.ts';
import type { OnRefusal } from './bind-http.ts';
import { stopping } from './ceilings.ts';
import type { Context } from './context.ts';
import { uuidV7 } from './corr-id.ts';
import type { Dispatcher, Incoming, Outgoing } from './dispatcher.ts';
import { isAddress } from './http/client-address.ts';

export interface OapServerPorts {
  readonly duplex: Duplex;
  readonly env: Env;
  readonly log: Log;
  readonly byApp: ReadonlyMap<number, Dispatcher>;
  readonly identity: HelloIdentity;
  controlBytesMax(): number;
  /** Told of each refusal that comes before a service's pipeline, which counts and logs its own. */
  readonly onRefusal: OnRefusal;
  /** Whether the peer may say for whom it calls. */
  readonly speaksForMany: boolean;
  /** Who is at the other end, where the channel proves it. */
  readonly caller?: Principal | undefined;
}

/** A body that its sender must move at least this fast while the handler waits for it. */
const slowWindowMs = 10_000;
const slowBytesMin = (limits.progressBytesPerSecondMin * slowWindowMs) / 1_000;
/** Of a source that waits for something to happen its reader hears this often; it gives up after `oapIdleMs`. */
const keepAliveMs = limits.oapIdleMs / 4;

interface Stream {
  readonly corrId: string;
  readonly inbound: InboundBody | undefined;
  readonly receiving: TransferWatch;
  readonly sending: TransferWatch;
  readonly silent: TransferWatch;
  outbound: OutboundBody | undefined;
  context: Context | undefined;
  outgoing: Outgoing | undefined;
}

/** One accepted connection: turns its streams into dispatches and their outcomes into answers. */
export class OapServerConnection {
  readonly #ports: OapServerPorts;
  readonly #connection: Connection;
  readonly #streams = new Map<number, Stream>();
  readonly #onClosed: (reason: string) => void;
  #timer: Timer | undefined;
  #draining = false;
  /** Of everything that is refused without a readable request. */
  readonly #corrId: string;

  constructor(ports: OapServerPorts, onClosed: (reason: string) => void) {
    this.#ports = ports;
    this.#corrId = uuidV7(ports.env);
    this.#onClosed = onClosed;
    const { duplex, env } = ports;
    this.#connection = createConnection({
      role: 'acceptor',
      identity: ports.identity,
      corrId: this.#corrId,
      write: (pieces) => duplex.write(pieces),
      inflate: (bytes, outputBytesMax) => env.work.inflateZstd(bytes, outputBytesMax),
      handler: {
        ready: () => undefined,
        open: (stream) => this.#open(stream),
        answer: () => undefined,
        data: (streamId, bytes) => this.#streams.get(streamId)?.inbound?.push(bytes),
        end: (streamId) => this.#streams.get(streamId)?.inbound?.end(),
        error: (streamId, error) => this.#lost(streamId, error),
        cancel: (streamId) => this.#lost(streamId, left()),
        refused: (_streamId, error) => ports.onRefusal(error.code, this.#corrId),
        event: (streamId, _header, body) => this.#connection.consumed(streamId, body.byteLength),
        ack: () => undefined,
        writable: (streamId) => this.#streams.get(streamId)?.outbound?.writable(),
        closed: (close) => this.#closed(close.reason),
      },
    });
  }

  start(): void {
    this.#ports.duplex.start({
      data: (bytes) => this.#connection.receive(bytes),
      drain: () => this.#connection.drained(),
      close: () => this.#connection.ended(),
    });
    this.#arm();
  }

  /** Closes as soon as nothing runs on it. */
  drain(): void {
    this.#draining = true;
    if (this.#streams.size === 0) this.close();
  }

  close(): void {
    this.#connection.close();
  }

  #open(opened: OpenedStream): void {
    const { streamId } = opened;
    const inbound = opened.end
      ? undefined
      : new InboundBody(
          (bytes) => this.#connection.consumed(streamId, bytes),
          // The handler wants no more of it; the answer still follows, so the stream stays and late bytes are let go.
          () => undefined,
        );
    this.#streams.set(streamId, {
      corrId: opened.header.corr_id,
      inbound,
      receiving: new TransferWatch(slowWindowMs, slowBytesMin),
      // Credit comes back in steps of up to a piece, so a slow reader shows as a pause and not as a rate.
      sending: new TransferWatch(limits.oapIdleMs, 1),
      silent: new TransferWatch(keepAliveMs, 1),
      outbound: undefined,
      context: undefined,
      outgoing: undefined,
    });
    const incoming = this.#parse(opened, inbound);
    if (incoming instanceof RonError) this.#refuse(streamId, incoming, opened.header.corr_id);
    else this.#serve(streamId, incoming).catch((error) => this.#fail(streamId, error));
  }

  /** The request for its dispatcher, or why none gets it. */
  #parse(opened: OpenedStream, body: InboundBody | undefined): Routed | RonError {
    const { header } = opened;
    if (this.#draining) return stopping();
    const dispatcher = this.#ports.byApp.get(opened.app);
    if (dispatcher === undefined) return new RonError('not_found', 'there is no such application here');
    let input: unknown;
    try {
      input = parseStrictJson(opened.body, { bytesMax: this.#ports.controlBytesMax(), depthMax: limits.jsonDepthMax });
    } catch (error) {
      return error as RonError;
    }
    const incoming: Incoming = {
      operation: header.op,
      input,
      body,
      bodyBytes: body === undefined ? 0 : header.body_bytes,
      credential: credentialOf(opened),
      caller: this.#ports.caller,
      corrId: header.corr_id,
      traceparent: header.traceparent,
      timeoutMs: header.deadline_ms,
      idempotencyKey: header.idempotency_key,
      receipt: header.receipt,
      tenant: tenantOf(opened),
      remote: this.#remoteOf(header.remote),
    };
    return { dispatcher, incoming };
  }

  #remoteOf(claimed: string | undefined): string {
    const own = addressOf(this.#ports.duplex.remote);
    if (claimed === undefined || !this.#ports.speaksForMany) return own;
    return claimed === 'unix' || isAddress(claimed) ? claimed : own;
  }

  #refuse(streamId: number, error: RonError, corrId: string): void {
    this.#ports.onRefusal(error.code, corrId);
    this.#connection.fail(streamId, error, corrId);
    this.#forget(streamId);
  }

  async #serve(streamId: number, { dispatcher, incoming }: Routed): Promise<void> {
    const stream = this.#streams.get(streamId);
    const outgoing = await dispatcher.dispatch(incoming, (context) => {
      if (stream !== undefined) stream.context = context;
      if (this.#streams.get(streamId) !== stream) context.abort(left());
    });
    if (stream === undefined || this.#streams.get(streamId) !== stream) {
      outgoing.release();
      return;
    }
    stream.outgoing = outgoing;
    const body = encoder.encode(JSON.stringify(outgoing.output));
    const end = outgoing.body === undefined;
    const { receipt } = outgoing;
    const header = { corr_id: incoming.corrId, ...(receipt === undefined ? {} : { receipt }) };
    this.#connection.answer(streamId, { header, body, end });
    if (outgoing.body !== undefined) {
      const pushes = dispatcher.contract.operations[incoming.operation]?.waits === true;
      stream.outbound = new OutboundBody(this.#connection, streamId, pushes ? 'events' : 'body');
      await stream.outbound.send(outgoing.body);
    }
    this.#forget(streamId);
  }

  #fail(streamId: number, thrown: unknown): void {
    const corrId = this.#streams.get(streamId)?.corrId;
    // Whoever took the stream away has been told, or is gone.
    if (corrId === undefined) return;
    const known = thrown instanceof RonError;
    if (!known) this.#ports.log.error({ corr_id: corrId, err: thrown }, 'an OAP request failed outside its pipeline');
    const error = known ? thrown : new RonError('internal', 'the node failed on this request');
    this.#connection.fail(streamId, error, corrId);
    this.#forget(streamId);
  }

  /** The caller left or broke the stream: the handler learns it through its body and its signal. */
  #lost(streamId: number, error: RonError): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.inbound?.fail(error);
    stream.context?.abort(error);
    this.#forget(streamId);
  }

  #forget(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#streams.delete(streamId);
    stream.outbound?.stop();
    stream.outgoing?.release();
    stream.inbound?.abandon();
    if (this.#draining && this.#streams.size === 0) this.close();
  }

  /** A caller that neither sends nor reads may not hold a request in flight. */
  #judge(nowMs: number): void {
    for (const [streamId, { inbound, outbound, receiving, sending, silent, corrId }] of this.#streams) {
      if (inbound !== undefined && receiving.isTooSlow(nowMs, inbound.waiting, inbound.receivedBytes)) {
        // The handler passes it on: the caller gets it as the answer.
        inbound.fail(new RonError('request_timeout', 'the body came too slowly'));
      }
      if (outbound !== undefined && silent.isTooSlow(nowMs, !outbound.waiting, outbound.sentBytes)) {
        outbound.keepAlive();
        silent.isTooSlow(nowMs, false, 0);
      }
      if (outbound === undefined || !sending.isTooSlow(nowMs, outbound.waiting, outbound.sentBytes)) continue;
      const error = new RonError('request_timeout', 'the answer was not read');
      this.#connection.fail(streamId, error, corrId);
      this.#lost(streamId, error);
    }
  }

  #closed(reason: string): void {
    if (!orderly.has(reason)) this.#ports.onRefusal(reason, this.#corrId);
    this.#timer?.cancel();
    for (const streamId of [...this.#streams.keys()])
      this.#lost(streamId, new RonError('request_timeout', 'the connection ended'));
    this.#ports.duplex.close();
    this.#onClosed(reason);
  }

  #arm(): void {
    this.#timer = this.#ports.env.clock.after(tickMs, () => {
      const nowMs = this.#ports.env.clock.monotonicMs();
      this.#connection.tick(nowMs);
      this.#judge(nowMs);
      if (this.#connection.state !== 'closed') this.#arm();
    });
  }
}

function credentialOf({ app, capability, header: { op, proof } }: OpenedStream): Credential {
  if (capability.byteLength === 0) return {};
  const token = capability.slice();
  return proof === undefined ? { token } : { token, proof, request: `${app}/${op}` };
}

function tenantOf({ header, tenant }: OpenedStream): string | undefined {
  return header.tenant ?? (tenant.every((byte) => byte === 0) ? undefined : formatTenant(tenant));
}

function left(): RonError {
  return new RonError('request_timeout', 'the caller left');
}

interface Routed {
  readonly dispatcher: Dispatcher;
  readonly incoming: Incoming;
}

const encoder = new TextEncoder();
const orderly: ReadonlySet<string> = new Set(['done', 'idle', 'refused_by_peer']);

/** Some transports name their peer with a port; capabilities are bound to addresses. An IPv6 address stays as it is. */
export function addressOf(remote: string): string {
  return /^[^:]+(?=:\d+$)/.exec(remote)?.[0] ?? remote;
}
