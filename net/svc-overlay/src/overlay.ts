import type { Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { contactOf, type NodeRecord, type Offence, overlayLimits } from '@ron/proto/overlay';
import { TokenBuckets } from '@ron/transport';
import { type Answer, type AnswerCheck, Asker, type NodeOperation, type Question } from './asker.ts';
import { type Delivered, Gossip } from './gossip/gossip.ts';
import { isPresent, type Member } from './membership/member.ts';
import { Membership } from './membership/membership.ts';
import { Bans } from './peers/bans.ts';
import { PeerBook } from './peers/peer-book.ts';
import { createRamPeerStore, type PeerStore } from './peers/peer-store.ts';
import { ProviderQuality } from './peers/provider-quality.ts';
import type { OverlayPorts } from './ports.ts';
import type { SelfDescription } from './records.ts';

/** Calls a second from one node, and how many at once; `gossip` counts messages and has its own. */
const callRates: Readonly<Record<Exclude<NodeOperation, 'gossip'>, readonly [perSecond: number, burst: number]>> = {
  hello: [1, 10],
  ping: [20, 100],
  ping_req: [10, 50],
  sync: [10, 80],
  exchange: [1, 5],
};
/** Milliseconds between two samples of members that are asked for, for the peer store. */
const exchangePeriodMs = 600_000;
const exchangeTimeoutMs = 5_000;
const leaveTimeoutMs = 1_000;
/** Of a ping that an operator asked for: as of a probe of the membership. */
const pingTimeoutMs = 1_000;

export interface OverlayOptions {
  readonly about: SelfDescription;
  /** Where to begin; none on the first node of a network. */
  readonly seeds: readonly Contact[];
  /** Topics of gossip that this node passes on, 32 at most. */
  readonly topics: readonly string[];
  readonly store?: PeerStore;
  readonly isAnswer: AnswerCheck;
}

/** How the operations for nodes are answered; `from` is the id that the channel proves, `binding` its own. Rejects with `RonError`. */
export type NodeHandlers = {
  readonly [Op in NodeOperation]: (input: Question<Op>, from: NodeId, binding?: Uint8Array) => Promise<Answer<Op>>;
};

/** What the other parts of a node use: who is there, messages to all, and what is thought of others. */
export interface OverlayApi {
  readonly id: NodeId;
  /** The members that are not known to be gone, this node not among them. */
  members(): readonly NodeRecord[];
  isPresent(id: NodeId): boolean;
  publish(topic: string, body: Uint8Array): Promise<string>;
  subscribe(topic: string, take: (message: Delivered) => void): Disposable;
  /** After each change of a member’s state. Dispose to end it. */
  onMember(listener: (member: Member) => void): Disposable;
  offend(id: NodeId, offence: Offence): void;
  isBanned(id: NodeId): boolean;
  readonly quality: ProviderQuality;
}

/** A node’s place among the others: membership, gossip, and what it remembers of them. */
export class Overlay implements OverlayApi, AsyncDisposable {
  readonly membership: Membership;
  readonly gossip: Gossip;
  readonly bans: Bans;
  readonly quality = new ProviderQuality();
  readonly book: PeerBook;
  readonly handlers: NodeHandlers;
  readonly #ports: OverlayPorts;
  readonly #options: OverlayOptions;
  readonly #asker: Asker;
  readonly #listeners = new Set<(member: Member) => void>();
  #exchangeTimer: Timer | undefined;

  constructor(ports: OverlayPorts, options: OverlayOptions) {
    this.#ports = ports;
    this.#options = options;
    this.bans = new Bans(ports.clock, ports.config, () => ports.meters.banned());
    const isBanned = (id: NodeId) => this.bans.isBanned(id);
    this.#asker = new Asker({
      ask: ports.ask,
      isAnswer: options.isAnswer,
      isBanned,
      onMalformed: (from) => {
        ports.meters.ignored('malformed');
        this.bans.offend(from, 'malformed');
      },
    });
    this.membership = new Membership({
      ports,
      asker: this.#asker,
      about: options.about,
      contacts: () => [...options.seeds, ...(this.membership.table.present === 0 ? this.book.contacts() : [])],
      isBanned,
      onBadSignature: (from) => this.bans.offend(from, 'bad_signature'),
      onHelloRefused: (from, error) => {
        // A clock that is off is no offence: its node is refused for as long as it is.
        const isOff = error instanceof RonError && error.details?.['reason'] === 'stale';
        if (!isOff) this.bans.offend(from, 'stale_hello');
      },
      onChange: (member) => this.#changed(member),
    });
    this.gossip = new Gossip({
      ports,
      asker: this.#asker,
      topics: options.topics,
      sample: (count, fits) => this.#contacts(count, fits),
      isBanned,
      onOffence: (from, offence) => this.bans.offend(from, offence),
    });
    this.book = new PeerBook(ports, options.store ?? createRamPeerStore(), { bans: this.bans, quality: this.quality });
    this.handlers = this.#createHandlers();
  }

  get id(): NodeId {
    return this.#ports.signer.id;
  }

  /** Ready to answer when it resolves; joins in the background. */
  async start(): Promise<void> {
    await this.book.open();
    await this.membership.start();
    this.#exchangeLater();
  }

  /** As a crash would: nobody is told, nothing is saved. */
  stop(): void {
    this.#exchangeTimer?.cancel();
    this.membership.stop();
    this.gossip.stop();
  }

  /** Leaves: tells some members, who tell the others, and saves what is remembered. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.membership.leave(leaveTimeoutMs);
    this.stop();
    await this.book.close();
  }

  /** There is nobody to find, or somebody was found. */
  get hasJoined(): boolean {
    return this.membership.isOpen && (this.#options.seeds.length === 0 || this.membership.table.present > 0);
  }

  members(): readonly NodeRecord[] {
    const records: NodeRecord[] = [];
    for (const member of this.membership.table.values()) if (isPresent(member)) records.push(member.record);
    return records;
  }

  isPresent(id: NodeId): boolean {
    const member = this.membership.table.get(id);
    return member !== undefined && isPresent(member);
  }

  /** Milliseconds until a member answered a ping without news; null: no answer, or a refusal. */
  async pingMember(id: NodeId): Promise<number | null> {
    const member = this.membership.table.get(id);
    if (member === undefined) return null;
    const { clock } = this.#ports;
    const beganMs = clock.monotonicMs();
    try {
      await this.#asker.ask(contactOf(member.record), 'ping', { updates: [] }, pingTimeoutMs);
      return clock.monotonicMs() - beganMs;
    } catch (error) {
      if (error instanceof RonError) return null;
      throw error;
    }
  }

  publish(topic: string, body: Uint8Array): Promise<string> {
    return this.gossip.publish(topic, body);
  }

  subscribe(topic: string, take: (message: Delivered) => void): Disposable {
    return this.gossip.subscribe(topic, take);
  }

  onMember(listener: (member: Member) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  offend(id: NodeId, offence: Offence): void {
    this.bans.offend(id, offence);
  }

  isBanned(id: NodeId): boolean {
    return this.bans.isBanned(id);
  }

  #createHandlers(): NodeHandlers {
    const { membership, gossip } = this;
    const guarded = <Op extends Exclude<NodeOperation, 'gossip'>>(
      operation: Op,
      answer: (input: Question<Op>, from: NodeId, binding?: Uint8Array) => Answer<Op> | Promise<Answer<Op>>,
    ) => {
      const [perSecond, burst] = callRates[operation];
      const rates = new TokenBuckets(
        this.#ports.clock,
        () => perSecond,
        () => burst,
      );
      return async (input: Question<Op>, from: NodeId, binding?: Uint8Array) => {
        this.#admit(from);
        const waitMs = rates.take(from);
        if (waitMs === 0) return answer(input, from, binding);
        this.#ports.meters.ignored('rate');
        this.bans.offend(from, 'flood');
        throw new RonError('quota_exhausted', `too many calls of ${operation}`, { retryAfterMs: waitMs });
      };
    };
    return {
      hello: guarded('hello', (input, from, binding) => membership.answerHello(input, from, binding)),
      ping: guarded('ping', (input, from) => membership.answerPing(input, from)),
      ping_req: guarded('ping_req', (input, from) => membership.answerPingReq(input, from)),
      sync: guarded('sync', (input, from) => membership.answerSync(input, from)),
      exchange: guarded('exchange', ({ count }, from) => ({ records: this.#sample(count, from) })),
      gossip: async ({ messages }, from) => {
        this.#admit(from);
        return gossip.receive(messages, from);
      },
    };
  }

  #admit(from: NodeId): void {
    if (!this.membership.isOpen)
      throw new RonError('unavailable', 'the overlay is not running', { retryAfterMs: 1_000 });
    if (!this.bans.isBanned(from)) return;
    this.#ports.meters.ignored('banned');
    throw new RonError('forbidden', 'the node is banned here', { details: { reason: 'banned' } });
  }

  #changed(member: Member): void {
    if (member.state === 'alive') this.book.keep(member.record);
    for (const listener of this.#listeners) listener(member);
  }

  #contacts(count: number, fits: (id: NodeId) => boolean): Contact[] {
    const { table } = this.membership;
    return table
      .sample(count, ({ state, record }) => state === 'alive' && !this.bans.isBanned(record.id) && fits(record.id))
      .map(({ record }) => contactOf(record));
  }

  #sample(count: number, from: NodeId): NodeRecord[] {
    const { table } = this.membership;
    const isGiven = ({ state, record }: Member) =>
      state === 'alive' && record.id !== from && !this.bans.isBanned(record.id);
    return table.sample(Math.min(count, overlayLimits.sampleMax), isGiven).map(({ record }) => record);
  }

  #exchangeLater(): void {
    const { clock, random } = this.#ports;
    this.#exchangeTimer = clock.after(exchangePeriodMs * (0.5 + random.unit()), () => {
      this.#exchangeLater();
      void this.#exchange();
    });
  }

  async #exchange(): Promise<void> {
    const [to] = this.#contacts(1, () => true);
    if (to === undefined) return;
    try {
      const { records } = await this.#asker.ask(to, 'exchange', { count: overlayLimits.sampleMax }, exchangeTimeoutMs);
      if (!this.book.keepSample(records)) this.bans.offend(to.id, 'bad_signature');
    } catch (error) {
      this.#ports.log.debug({ error }, 'no sample of members');
    }
  }
}
