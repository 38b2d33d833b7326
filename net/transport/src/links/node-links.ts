import { type Env, errorCode, withDeadline } from '@ron/kernel';
import type { OapReply } from '@ron/oap';
import type { Contract } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import type { ByteStream } from '@ron/proto/stream';
import { corrIdOf } from '@ron/service';
import type { Static } from 'typebox';
import type { Ask } from '../ask.ts';
import type { NodeTransport } from '../node-transport.ts';
import { fits } from '../schema-check.ts';
import { DialBackoff } from './dial-backoff.ts';
import { NodeLink } from './node-link.ts';

/** Links that are open or being opened. At the cap the one that has been idle longest makes room. */
export const linksMax = 256;

export interface NodeLinksOptions {
  readonly transport: NodeTransport;
  readonly env: Pick<Env, 'clock' | 'random'>;
  /** What HELLO says about this node, for the other's log; at most 128 characters. */
  readonly agent?: string;
  readonly linksMax?: number;
}

export interface LinkCallOptions {
  /** Milliseconds until the answer begins, connecting included. */
  readonly timeoutMs: number;
  readonly body?: ByteStream;
  readonly signal?: AbortSignal;
}

export interface LinkReply<Output> {
  readonly output: Output;
  /** Of an operation with `body: 'out'`. To be read to its end or left, as `OapReply.body`. */
  readonly body: ByteStream | undefined;
}

/**
 * One connection to each node that is asked something, made when it is needed. It is the node that the contact names, or
 * the call fails. A link without calls ends after a minute.
 */
export interface NodeLinks extends AsyncDisposable {
  [Symbol.asyncDispose](): Promise<void>;
  ask<C extends Contract>(contract: C): Ask<C>;
  /** As `ask`, with bytes. Further: `unavailable` at the cap of links and while a contact that failed is left alone, `integrity` for an answer that breaks the contract. */
  call<C extends Contract, Op extends keyof C['operations'] & string>(
    contract: C,
    to: Contact,
    operation: Op,
    input: Static<C['operations'][Op]['input']>,
    options: LinkCallOptions,
  ): Promise<LinkReply<Static<C['operations'][Op]['output']>>>;
  /** The channel binding of the link to that node, which is made if need be. Rejects as `ask` does. */
  channelBinding(to: Contact, timeoutMs: number): Promise<Uint8Array>;
  /** Whether a call to that node needs no dial now. */
  isOpen(nodeId: NodeId): boolean;
  /** Ends the link of a node, if there is one: its calls fail. */
  drop(nodeId: NodeId): void;
  readonly size: number;
}

export function createNodeLinks(options: NodeLinksOptions): NodeLinks {
  return new Links(options);
}

class Links implements NodeLinks {
  readonly #options: NodeLinksOptions;
  readonly #linksMax: number;
  readonly #backoff: DialBackoff;
  /** The one used last stands last. */
  readonly #links = new Map<NodeId, NodeLink>();
  /** By id and address: who waits for one waits with all others that do. */
  readonly #dials = new Map<string, Promise<NodeLink>>();
  #over = false;

  constructor(options: NodeLinksOptions) {
    this.#options = options;
    this.#linksMax = options.linksMax ?? linksMax;
    this.#backoff = new DialBackoff(options.env.clock, options.env.random);
  }

  get size(): number {
    return this.#links.size + this.#dials.size;
  }

  ask<C extends Contract>(contract: C): Ask<C> {
    return async (to, operation, input, timeoutMs) => {
      const { output, body } = await this.call(contract, to, operation, input, { timeoutMs });
      if (body !== undefined) await leave(body);
      return output;
    };
  }

  async call<C extends Contract, Op extends keyof C['operations'] & string>(
    contract: C,
    to: Contact,
    operation: Op,
    input: Static<C['operations'][Op]['input']>,
    { timeoutMs, body, signal }: LinkCallOptions,
  ): Promise<LinkReply<Static<C['operations'][Op]['output']>>> {
    const { clock, random } = this.#options.env;
    const endMs = clock.monotonicMs() + timeoutMs;
    const link = await this.#linkTo(to, timeoutMs);
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0) throw late();
    const corrId = corrIdOf(undefined, { clock, random });
    const reply = await link.call({ app: contract.app, operation, input, body, corrId, timeoutMs: leftMs, signal });
    return this.#checked(contract, operation, reply);
  }

  async channelBinding(to: Contact, timeoutMs: number): Promise<Uint8Array> {
    return (await this.#linkTo(to, timeoutMs)).channelBinding;
  }

  isOpen(nodeId: NodeId): boolean {
    return this.#links.get(nodeId)?.open === true;
  }

  drop(nodeId: NodeId): void {
    this.#links.get(nodeId)?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await Promise.allSettled(this.#dials.values());
    const links = [...this.#links.values()];
    for (const link of links) link.close();
    await Promise.all(links.map((link) => link.closed));
  }

  async #checked<C extends Contract>(
    contract: C,
    operation: string,
    { output, body }: OapReply,
  ): Promise<LinkReply<never>> {
    const { output: schema, body: form } = contract.operations[operation] as Contract['operations'][string];
    const isWanted = form === 'out' || form === 'both';
    if (fits(schema, output) && (isWanted || body === undefined)) return { output: output as never, body };
    if (body !== undefined) await leave(body);
    throw new RonError('integrity', 'the node answered something that its contract does not know');
  }

  async #linkTo(to: Contact, timeoutMs: number): Promise<NodeLink> {
    if (this.#over) throw new RonError('unavailable', 'the node is stopping');
    const open = this.#links.get(to.id);
    if (open?.open === true) {
      this.#links.delete(to.id);
      this.#links.set(to.id, open);
      return open;
    }
    const key = `${to.id}@${to.address}`;
    const dial = this.#dials.get(key) ?? this.#begin(to, key);
    try {
      return await withDeadline(this.#options.env.clock, dial, timeoutMs, 'connecting');
    } catch (error) {
      throw errorCode(error) === 'ETIMEDOUT' ? late(error) : error;
    }
  }

  #begin(to: Contact, key: string): Promise<NodeLink> {
    const waitMs = this.#backoff.leftMs(key);
    if (waitMs > 0) {
      const details = { reason: 'backoff' };
      throw new RonError('unavailable', 'the node was not reached a moment ago', { retryAfterMs: waitMs, details });
    }
    this.#makeRoom();
    const dial = this.#dial(to, key).finally(() => this.#dials.delete(key));
    this.#dials.set(key, dial);
    return dial;
  }

  async #dial(to: Contact, key: string): Promise<NodeLink> {
    const { transport, env, agent = 'ron' } = this.#options;
    let link: NodeLink;
    try {
      link = new NodeLink(await transport.dial(to, Number.POSITIVE_INFINITY), env.clock, agent);
    } catch (error) {
      this.#backoff.failed(key);
      throw error;
    }
    const other = this.#links.get(to.id);
    if (this.#over || other?.open === true) {
      // Reached at another address meanwhile: one connection is enough.
      link.close();
      if (other !== undefined) return other;
      throw new RonError('unavailable', 'the node is stopping');
    }
    this.#links.set(to.id, link);
    void link.closed.then(() => {
      if (this.#links.get(to.id) === link) this.#links.delete(to.id);
      // Who lets one connect and then ends it, as a node at its caps does, is not asked again at once.
      if (link.answered) this.#backoff.succeeded(key);
      else this.#backoff.failed(key);
    });
    return link;
  }

  #makeRoom(): void {
    if (this.size < this.#linksMax) return;
    for (const [nodeId, link] of this.#links) {
      if (link.busy) continue;
      this.#links.delete(nodeId);
      link.close();
      return;
    }
    const details = { reason: 'links', limit: this.#linksMax };
    throw new RonError('unavailable', 'too many nodes are being asked at once', { retryAfterMs: 250, details });
  }
}

function late(cause?: unknown): RonError {
  return new RonError('deadline_exceeded', 'the node did not answer in time', { cause });
}

async function leave(body: ByteStream): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}
