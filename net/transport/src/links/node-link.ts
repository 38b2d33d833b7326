import type { Clock } from '@ron/kernel';
import { createOapClient, type OapCall, type OapClient, type OapReply } from '@ron/oap';
import type { ByteStream } from '@ron/proto/stream';
import type { NodeConnection } from '../node-transport.ts';

/** One connection to one node, and the calls on it. */
export class NodeLink {
  readonly #client: OapClient;
  /** What binds signatures to this connection. */
  readonly channelBinding: Uint8Array;
  #calls = 0;
  #answered = false;

  constructor({ duplex, channelBinding }: NodeConnection, clock: Clock, agent: string) {
    this.channelBinding = channelBinding;
    this.#client = createOapClient({ pipe: duplex, clock, agent });
  }

  get open(): boolean {
    return this.#client.open;
  }

  get busy(): boolean {
    return this.#calls > 0;
  }

  /** The node has answered something, and be it with a refusal: it takes calls of ours. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Resolves when the connection is over. */
  get closed(): Promise<void> {
    return this.#client.closed;
  }

  close(): void {
    this.#client.close();
  }

  async call(call: OapCall): Promise<OapReply> {
    this.#calls += 1;
    let reply: OapReply;
    try {
      reply = await this.#client.call(call);
    } catch (error) {
      this.#over();
      throw error;
    }
    const { body } = reply;
    if (body !== undefined) return { ...reply, body: new FollowedBody(body, () => this.#over()) };
    this.#over();
    return reply;
  }

  #over(): void {
    this.#calls -= 1;
    if (this.#client.open) this.#answered = true;
  }
}

/** Passes a body on, and tells once when it is read to its end, left or broken: until then its link is in use. */
class FollowedBody implements ByteStream {
  readonly #body: ByteStream;
  readonly #onOver: () => void;
  #over = false;

  constructor(body: ByteStream, onOver: () => void) {
    this.#body = body;
    this.#onOver = onOver;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const source = this.#body[Symbol.asyncIterator]();
    return {
      next: async () => {
        try {
          const step = await source.next();
          if (step.done === true) this.#end();
          return step;
        } catch (error) {
          this.#end();
          throw error;
        }
      },
      return: async () => {
        this.#end();
        await source.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver();
  }
}
