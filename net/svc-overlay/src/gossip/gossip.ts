import type { Clock, Log, Random } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { type GossipMessage, overlayLimits } from '@ron/proto/overlay';
import { fromBase64Url, TokenBuckets, toBase64Url, toHex } from '@ron/transport';
import type { Asker } from '../asker.ts';
import type { Ignored } from '../meters.ts';
import type { OverlayPorts } from '../ports.ts';
import { isKeyOf } from '../records.ts';
import { gossipStatement } from '../statements.ts';
import { Outbox } from './outbox.ts';
import { SeenWindow } from './seen-window.ts';

const topicsMax = 32;
const subscribersMax = 16;
const sendTimeoutMs = 2_000;

export interface Delivered {
  readonly id: string;
  readonly topic: string;
  readonly origin: NodeId;
  readonly body: Uint8Array;
}

export interface GossipParts {
  readonly ports: OverlayPorts;
  readonly asker: Pick<Asker, 'ask'>;
  /** What this node passes on, its own and others’. */
  readonly topics: readonly string[];
  readonly sample: (count: number, fits: (id: NodeId) => boolean) => readonly Contact[];
  readonly isBanned: (id: NodeId) => boolean;
  readonly onOffence: (from: NodeId, offence: 'bad_signature' | 'flood') => void;
}

/** Messages of applications to every node: each is taken once, signed by its origin, and passed on to a few. */
export class Gossip {
  readonly #parts: GossipParts;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #topics: ReadonlySet<string>;
  readonly #subscribers = new Map<string, Set<(message: Delivered) => void>>();
  readonly #incoming: TokenBuckets;
  readonly #seen: SeenWindow;
  readonly #outbox: Outbox;

  /** Throws for more than 32 topics. */
  constructor(parts: GossipParts) {
    const { clock, random, log, config, meters } = parts.ports;
    if (parts.topics.length > topicsMax) throw new Error(`more than ${topicsMax} topics`);
    this.#parts = parts;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.#topics = new Set(parts.topics);
    const rate = () => config().gossip_peer_rate_max;
    this.#incoming = new TokenBuckets(clock, rate);
    this.#seen = new SeenWindow(clock, () => config().gossip_window_max);
    this.#outbox = new Outbox({
      clock,
      rates: new TokenBuckets(clock, rate),
      send: async (to, messages) => void (await parts.asker.ask(to, 'gossip', { messages }, sendTimeoutMs)),
      onDropped: (count) => {
        for (let dropped = 0; dropped < count; dropped++) meters.gossiped('dropped');
      },
    });
  }

  /** Messages that are remembered, and that wait. */
  get sizes(): { readonly seen: number; readonly waiting: number } {
    return { seen: this.#seen.size, waiting: this.#outbox.size };
  }

  stop(): void {
    this.#outbox.stop();
  }

  /**
   * Sends to every node; also to the subscribers here. Gives the message’s id. Delivery is likely, not certain.
   * @throws RonError `bad_request` for a topic that is not configured, `payload_too_large` past 8 KiB, `quota_exhausted`
   * when this node has as many messages on their way as may be remembered.
   */
  async publish(topic: string, body: Uint8Array): Promise<string> {
    const { ports } = this.#parts;
    const { signer, meters } = ports;
    if (!this.#topics.has(topic)) throw new RonError('bad_request', `this node does not pass on "${topic}"`);
    const { gossipBodyBytesMax, gossipHopsMax, gossipAgeMsMax } = overlayLimits;
    if (body.length > gossipBodyBytesMax) {
      throw new RonError('payload_too_large', `a message has at most ${gossipBodyBytesMax} bytes`);
    }
    if (!this.#seen.hasRoomFor(signer.id)) {
      throw new RonError('quota_exhausted', 'too many messages are on their way', { retryAfterMs: gossipAgeMsMax });
    }
    const unsigned = {
      topic,
      origin: signer.id,
      public_key: toBase64Url(signer.publicKey),
      issued_at: this.#clock.wallMs(),
      nonce: toBase64Url(this.#random.bytes(16)),
      body: toBase64Url(body),
    };
    const statement = gossipStatement(unsigned);
    const id = toHex(ports.blake3(statement));
    this.#seen.add(id, signer.id, unsigned.issued_at);
    const signature = toBase64Url(await signer.sign(statement));
    meters.gossiped('published');
    this.#deliver({ id, topic, origin: signer.id, body });
    this.#passOn({ ...unsigned, hops: gossipHopsMax, signature });
    return id;
  }

  /** Throws `bad_request` for a topic that is not configured, and past 16 subscribers of one. Dispose to end it. */
  subscribe(topic: string, take: (message: Delivered) => void): Disposable {
    if (!this.#topics.has(topic)) throw new RonError('bad_request', `this node does not pass on "${topic}"`);
    const subscribers = this.#subscribers.get(topic) ?? new Set();
    if (subscribers.size >= subscribersMax) throw new RonError('bad_request', 'too many subscribers of this topic');
    subscribers.add(take);
    this.#subscribers.set(topic, subscribers);
    return { [Symbol.dispose]: () => void subscribers.delete(take) };
  }

  /** @throws RonError `quota_exhausted` when `from` sends more than its rate: all of the call, nothing is taken. */
  receive(messages: readonly GossipMessage[], from: NodeId): { readonly taken: number } {
    const waitMs = this.#incoming.take(from, messages.length);
    if (waitMs > 0) {
      this.#ignore('rate');
      this.#parts.onOffence(from, 'flood');
      throw new RonError('quota_exhausted', 'too many messages from one node', { retryAfterMs: waitMs });
    }
    let taken = 0;
    for (const message of messages) if (this.#take(message, from)) taken++;
    return { taken };
  }

  #take(message: GossipMessage, from: NodeId): boolean {
    const { ports, isBanned, onOffence } = this.#parts;
    const { topic, origin, public_key, issued_at, body, hops, signature } = message;
    if (!this.#topics.has(topic)) return this.#ignore('topic');
    const ageMs = ports.clock.wallMs() - issued_at;
    if (ageMs > overlayLimits.gossipAgeMsMax || -ageMs > overlayLimits.clockSkewMsMax) return this.#ignore('stale');
    const statement = gossipStatement(message);
    const id = toHex(ports.blake3(statement));
    if (this.#seen.has(id)) return this.#ignore('duplicate');
    if (isBanned(origin)) return this.#ignore('banned');
    if (!this.#seen.hasRoomFor(origin)) return this.#ignore('window_full');
    const isGenuine =
      isKeyOf(ports, origin, public_key) &&
      ports.verify(fromBase64Url(public_key), statement, fromBase64Url(signature));
    if (!isGenuine) {
      // Nodes pass on what they have checked: this one did not.
      onOffence(from, 'bad_signature');
      return this.#ignore('bad_signature');
    }
    this.#seen.add(id, origin, issued_at);
    this.#deliver({ id, topic, origin, body: fromBase64Url(body) });
    if (hops > 0) this.#passOn({ ...message, hops: hops - 1 }, from);
    return true;
  }

  #deliver(message: Delivered): void {
    const { meters } = this.#parts.ports;
    for (const take of this.#subscribers.get(message.topic) ?? []) {
      try {
        take(message);
        meters.gossiped('delivered');
      } catch (error) {
        this.#log.error({ error, topic: message.topic }, 'a subscriber of gossip failed');
      }
    }
  }

  #passOn(message: GossipMessage, from?: NodeId): void {
    const { ports, sample } = this.#parts;
    const fanOut = ports.config().gossip_fan_out;
    for (const to of sample(fanOut, (id) => id !== from && id !== message.origin)) {
      ports.meters.gossiped('relayed');
      this.#outbox.put(to, message);
    }
  }

  #ignore(reason: Ignored): false {
    this.#parts.ports.meters.ignored(reason);
    return false;
  }
}
