import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { createConnection } from '../connection.ts';
import type { Connection, OpenedStream } from '../connection-types.ts';
import { InboundBody } from '../driver/inbound-body.ts';
import { OutboundBody, type OutboundForm } from '../driver/outbound-body.ts';
import type { BytePipe } from '../driver/pipe.ts';

export interface Served {
  readonly opened: OpenedStream;
  readonly body: InboundBody | undefined;
  readonly input: unknown;
  /** Answers with a DTO, and a body when there is one. */
  answer(output: unknown, body?: ByteStream, form?: OutboundForm): Promise<void>;
  fail(error: RonError): void;
}

/** The other end of a client's connection, which does what a test's `serve` says with each request. */
export class Acceptor {
  readonly connection: Connection;
  /** Streams whose request has come and whose answer has not been given. */
  readonly running = new Map<number, Served>();
  cancelled = 0;
  /** Requests under way at once, at most. */
  peak = 0;
  readonly #outbound = new Map<number, OutboundBody>();

  constructor(pipe: BytePipe, serve: (served: Served) => void | Promise<void>) {
    this.connection = createConnection({
      role: 'acceptor',
      identity: { server_version: '0', node_id: 'test', transports: ['memory'], revocation_seq: 0 },
      write: (pieces) => pipe.write(pieces),
      handler: {
        ready: () => undefined,
        open: (opened) => this.#open(opened, serve),
        answer: () => undefined,
        data: (streamId, bytes) => this.running.get(streamId)?.body?.push(bytes),
        end: (streamId) => this.running.get(streamId)?.body?.end(),
        error: () => undefined,
        cancel: (streamId) => {
          this.cancelled += 1;
          this.#lost(streamId);
        },
        event: () => undefined,
        ack: () => undefined,
        writable: (streamId) => this.#outbound.get(streamId)?.writable(),
        closed: () => {
          for (const streamId of [...this.running.keys()]) this.#lost(streamId);
          pipe.close();
        },
      },
    });
    pipe.start({
      data: (bytes) => this.connection.receive(bytes),
      drain: () => this.connection.drained(),
      close: () => this.connection.ended(),
    });
  }

  #open(opened: OpenedStream, serve: (served: Served) => void | Promise<void>): void {
    const { streamId } = opened;
    const body = opened.end
      ? undefined
      : new InboundBody(
          (bytes) => this.connection.consumed(streamId, bytes),
          () => undefined,
        );
    const served: Served = {
      opened,
      body,
      input: JSON.parse(new TextDecoder().decode(opened.body)),
      answer: async (output, out, form) => {
        const bytes = new TextEncoder().encode(JSON.stringify(output));
        this.connection.answer(streamId, { body: bytes, end: out === undefined });
        if (out !== undefined) {
          const outbound = new OutboundBody(this.connection, streamId, form);
          this.#outbound.set(streamId, outbound);
          await outbound.send(out);
        }
        this.#lost(streamId);
      },
      fail: (error) => {
        this.connection.fail(streamId, error, opened.header.corr_id);
        this.#lost(streamId);
      },
    };
    this.running.set(streamId, served);
    this.peak = Math.max(this.peak, this.running.size);
    Promise.resolve(serve(served)).catch((error: RonError) => served.fail(error));
  }

  #lost(streamId: number): void {
    this.running.get(streamId)?.body?.fail(new RonError('request_timeout', 'the caller left'));
    this.running.get(streamId)?.body?.abandon();
    this.running.delete(streamId);
    this.#outbound.get(streamId)?.stop();
    this.#outbound.delete(streamId);
  }
}
