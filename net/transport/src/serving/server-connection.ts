import { type Env, errorCode, type Log, type Timer, withDeadline } from '@ron/kernel';
import {
  type Connection,
  createConnection,
  type HelloIdentity,
  limits,
  type OpenedStream,
  OutboundBody,
  parseStrictJson,
  TransferWatch,
  tickMs,
} from '@ron/oap';
import type { Operation } from '@ron/proto/contract';
import { type ErrorCode, RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import type { ByteStream } from '@ron/proto/stream';
import type { NodeConnection } from '../node-transport.ts';
import { fits } from '../schema-check.ts';
import type { ServedContract } from './network-handlers.ts';

export interface ServerConnectionPorts {
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly log: Log;
  readonly identity: HelloIdentity;
  readonly byApp: ReadonlyMap<number, ServedContract>;
  /** Counts a call, or says why none can begin; each that begins is `finished` when its handler is. */
  begin(): RonError | undefined;
  finished(): void;
  count(operation: string, code: string): void;
  closed(): void;
}

interface Stream {
  readonly corrId: string;
  readonly sending: TransferWatch;
  outbound: OutboundBody | undefined;
}

/** What every operation may answer beside what it declares. */
const commonCodes: ReadonlySet<ErrorCode> = new Set([
  'bad_request',
  'forbidden',
  'quota_exhausted',
  'unavailable',
  'deadline_exceeded',
  'internal',
]);

/** One accepted connection of a node: its requests become calls of handlers. Bytes that come with a request are let go. */
export class ServerConnection {
  readonly nodeId: NodeId;
  readonly #node: NodeConnection;
  readonly #ports: ServerConnectionPorts;
  readonly #connection: Connection;
  readonly #streams = new Map<number, Stream>();
  #timer: Timer | undefined;

  constructor(node: NodeConnection, ports: ServerConnectionPorts) {
    this.nodeId = node.nodeId;
    this.#node = node;
    this.#ports = ports;
    this.#connection = createConnection({
      role: 'acceptor',
      identity: ports.identity,
      write: (pieces) => node.duplex.write(pieces),
      handler: {
        ready: () => undefined,
        open: (opened) => this.#open(opened),
        answer: () => undefined,
        data: (streamId, bytes) => this.#connection.consumed(streamId, bytes.byteLength),
        end: () => undefined,
        error: (streamId) => this.#forget(streamId),
        cancel: (streamId) => this.#forget(streamId),
        event: (streamId, _header, body) => this.#connection.consumed(streamId, body.byteLength),
        ack: () => undefined,
        writable: (streamId) => this.#streams.get(streamId)?.outbound?.writable(),
        closed: () => this.#closed(),
      },
    });
  }

  start(): void {
    this.#node.duplex.start({
      data: (bytes) => this.#connection.receive(bytes),
      drain: () => this.#connection.drained(),
      close: () => this.#connection.ended(),
    });
    this.#arm();
  }

  close(): void {
    this.#connection.close();
  }

  #open(opened: OpenedStream): void {
    const { streamId, header } = opened;
    const sending = new TransferWatch(limits.oapIdleMs, 1);
    this.#streams.set(streamId, { corrId: header.corr_id, sending, outbound: undefined });
    const served = this.#ports.byApp.get(opened.app);
    const operation = ownProperty(served?.contract.operations, header.op);
    if (served === undefined || operation === undefined) {
      this.#refuse(streamId, 'unknown', new RonError('not_found', 'there is no such operation here'));
      return;
    }
    const name = `${served.contract.name}.${header.op}`;
    const refusal = this.#ports.begin();
    if (refusal !== undefined) {
      this.#refuse(streamId, name, refusal);
      return;
    }
    this.#serve(opened, served, operation).then(
      (code) => this.#ports.count(name, code),
      (error) => this.#refuse(streamId, name, this.#shown(error, operation, header.corr_id)),
    );
  }

  /** Gives the code to count it by: what was not delivered was answered all the same. */
  async #serve(opened: OpenedStream, served: ServedContract, operation: Operation): Promise<string> {
    const { streamId, header } = opened;
    const { clock } = this.#ports.env;
    const ownMs = operation.limits?.timeoutMs ?? limits.controlRequestTimeoutMs;
    const timeoutMs = Math.min(ownMs, header.deadline_ms ?? ownMs);
    // A handler that goes on after its time still counts: it is what uses the node up.
    const work = this.#handle(opened, served, operation).finally(() => this.#ports.finished());
    const reply = await withDeadline(clock, work, timeoutMs, header.op);
    const sends = operation.body === 'out' || operation.body === 'both';
    const { output, body } = sends
      ? (reply as { readonly output: unknown; readonly body: ByteStream })
      : { output: reply, body: undefined };
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      await body?.[Symbol.asyncIterator]().return?.();
      return 'gone';
    }
    const bytes = encoder.encode(JSON.stringify(output));
    this.#connection.answer(streamId, { header: { corr_id: header.corr_id }, body: bytes, end: body === undefined });
    if (body !== undefined) {
      stream.outbound = new OutboundBody(this.#connection, streamId);
      await stream.outbound.send(body);
    }
    this.#forget(streamId);
    return 'ok';
  }

  async #handle(
    { header, body }: OpenedStream,
    served: ServedContract,
    { input: schema }: Operation,
  ): Promise<unknown> {
    const input = parseStrictJson(body, { bytesMax: limits.controlBodyBytesMax, depthMax: limits.jsonDepthMax });
    if (!fits(schema, input)) throw new RonError('bad_request', 'the input does not fit its contract');
    return served.handlers[header.op]?.(input, this.nodeId);
  }

  #refuse(streamId: number, name: string, error: RonError): void {
    this.#ports.count(name, error.code);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#connection.fail(streamId, error, stream.corrId);
    this.#forget(streamId);
  }

  /** What the other node gets to see of a failure; the log has the rest. */
  #shown(thrown: unknown, { errors }: Operation, corr_id: string): RonError {
    if (thrown instanceof RonError && (commonCodes.has(thrown.code) || errors.includes(thrown.code))) return thrown;
    if (errorCode(thrown) === 'ETIMEDOUT') return new RonError('deadline_exceeded', 'the call did not finish in time');
    this.#ports.log.error({ corr_id, err: thrown, node_id: this.nodeId }, 'a call of another node failed');
    return new RonError('internal', 'the node failed on this request');
  }

  #forget(streamId: number): void {
    const stream = this.#streams.get(streamId);
    this.#streams.delete(streamId);
    stream?.outbound?.stop();
  }

  #closed(): void {
    this.#timer?.cancel();
    for (const streamId of [...this.#streams.keys()]) this.#forget(streamId);
    this.#node.duplex.close();
    this.#ports.closed();
  }

  #arm(): void {
    const { clock } = this.#ports.env;
    this.#timer = clock.after(tickMs, () => {
      const nowMs = clock.monotonicMs();
      this.#connection.tick(nowMs);
      for (const [streamId, { outbound, sending }] of this.#streams) {
        if (outbound === undefined || !sending.isTooSlow(nowMs, outbound.waiting, outbound.sentBytes)) continue;
        this.#refuse(streamId, 'unread', new RonError('request_timeout', 'the answer was not read'));
      }
      if (this.#connection.state !== 'closed') this.#arm();
    });
  }
}

/** Never a property of the prototype: the name comes from outside. */
function ownProperty<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}

const encoder = new TextEncoder();
