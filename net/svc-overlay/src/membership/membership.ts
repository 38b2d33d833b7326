import type { Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { Contact, NodeId } from '@ron/proto/network';
import { contactOf, type Hello, type NodeRecord, overlayLimits, type Update } from '@ron/proto/overlay';
import { type Answer, type Asker, isAnswered, type Question } from '../asker.ts';
import { checkHello, signHello } from '../hello.ts';
import type { OverlayPorts } from '../ports.ts';
import type { SelfDescription } from '../records.ts';
import { Accusers } from './accusers.ts';
import { Beliefs } from './beliefs.ts';
import { Comparison } from './comparison.ts';
import { Join } from './join.ts';
import { LocalHealth } from './local-health.ts';
import { isPresent, type Member } from './member.ts';
import { MemberTable } from './member-table.ts';
import { News } from './news.ts';
import { Prober } from './prober.ts';
import { Self } from './self.ts';

const callTimeoutMs = 5_000;
/** For which not everybody has heard of a record. */
const newcomerMs = 120_000;
/** Urgent news waits so long for more of it, and so long after the push before, and then goes to so many members. */
const push = { delayMs: 50, gapMs: 200, fanOut: 3 } as const;
/** After somebody came back, this node joined, or there was much news: the first comparison when most has been refuted or heard, the second for what that missed. */
const laterSyncsMs = [5_000, 12_000] as const;
/** Pieces of news from which on probes are too slow to pass all of them on, and members are compared as well. */
const backlogMin = 2 * overlayLimits.updatesMax;
/** A node says again who it is, long before its record is too old for others. */
const renewMs = overlayLimits.recordAgeMsMax / 3;

export interface MembershipParts {
  readonly ports: OverlayPorts;
  readonly asker: Asker;
  readonly about: SelfDescription;
  readonly contacts: () => readonly Contact[];
  readonly isBanned: (id: NodeId) => boolean;
  readonly onBadSignature: (from: NodeId) => void;
  readonly onHelloRefused: (from: NodeId, error: unknown) => void;
  readonly onChange: (member: Member) => void;
}

/** Who is a member, by SWIM: the parts of this folder put together. */
export class Membership {
  readonly self: Self;
  readonly table: MemberTable;
  readonly beliefs: Beliefs;
  readonly #parts: MembershipParts;
  readonly #news: News;
  readonly #accusers: Accusers;
  readonly #prober: Prober;
  readonly #comparison: Comparison;
  readonly #join: Join;
  readonly #timers = new Set<Timer>();
  #pushTimer: Timer | undefined;
  #pushedMs = Number.NEGATIVE_INFINITY;
  #areSyncsPlanned = false;
  #isOpen = false;

  constructor(parts: MembershipParts) {
    const { ports, about, asker } = parts;
    const { clock, config } = ports;
    this.#parts = parts;
    this.table = new MemberTable(ports, () => config().members_max);
    const sendsMax = () => Math.ceil(config().retransmit_factor * Math.log10(this.table.present + 2));
    this.#news = new News(sendsMax, () => this.#planPush());
    this.self = new Self(ports, about, (record) => this.#news.put(record.id, { record }, true));
    this.#accusers = new Accusers(clock);
    const health = new LocalHealth();
    this.beliefs = new Beliefs({
      ports,
      self: this.self,
      table: this.table,
      news: this.#news,
      accusers: this.#accusers,
      health,
      isBanned: parts.isBanned,
      onBadSignature: parts.onBadSignature,
      onChange: parts.onChange,
      onReturn: () => this.#planSyncs(),
      onDoubt: (member) => this.#prober.doubt(member),
    });
    this.#prober = new Prober({
      ports,
      table: this.table,
      beliefs: this.beliefs,
      health,
      ping: (member, timeoutMs) => this.#ping(member, timeoutMs),
      pingThrough: (proxy, target, isConfirming, timeoutMs) =>
        this.#pingThrough(proxy, target, isConfirming, timeoutMs),
    });
    this.#comparison = new Comparison({ self: this.self, table: this.table, beliefs: this.beliefs, asker });
    this.#join = new Join({
      ports,
      selfId: this.self.id,
      contacts: parts.contacts,
      present: () => this.table.present,
      isPresent: (id) => this.#isPresent(id),
      meet: async (contact) => {
        await this.greet(contact);
        await this.#comparison.run(contact, callTimeoutMs);
        this.#planSyncs();
      },
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get newsSize(): number {
    return this.#news.size;
  }

  async start(): Promise<void> {
    await this.self.renew();
    this.#isOpen = true;
    this.#prober.start();
    this.#join.start();
    this.#syncLater();
    this.#renewLater();
  }

  /** Tells the others that this node goes on purpose, as far as they can be told in `timeoutMs`, and stops. */
  async leave(timeoutMs: number): Promise<void> {
    if (!this.#isOpen) return;
    const record = await this.self.renew({}, 0, true);
    const told = this.table.sample(2 * push.fanOut, () => true);
    this.stop();
    await Promise.allSettled(told.map((member) => this.#tell(member, [{ record }], timeoutMs)));
  }

  /** As a crash: nobody is told. */
  stop(): void {
    this.#isOpen = false;
    this.#prober.stop();
    this.#join.stop();
    this.beliefs.close();
    this.#pushTimer?.cancel();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  /** Says hello to a node, and knows it if that works. Rejects as `Ask` and `checkHello` do. */
  async greet(to: Contact): Promise<NodeRecord> {
    const { ports, asker, onHelloRefused } = this.#parts;
    const channel = await ports.channels.dial(to, callTimeoutMs);
    const hello = await signHello(ports, this.self.record, channel);
    const answer = await asker.ask(to, 'hello', hello, callTimeoutMs);
    try {
      checkHello(ports, answer, channel, hello.nonce);
    } catch (error) {
      onHelloRefused(to.id, error);
      throw error;
    }
    this.#meet(answer.record);
    return answer.record;
  }

  async answerHello(hello: Hello, from: NodeId, binding?: Uint8Array): Promise<Hello> {
    const { ports, onHelloRefused } = this.#parts;
    const channel = ports.channels.accepted(from, binding);
    if (channel === undefined) throw new RonError('unauthenticated', 'a hello needs a channel that proves the node');
    try {
      checkHello(ports, hello, channel);
    } catch (error) {
      onHelloRefused(from, error);
      throw error;
    }
    const answer = await signHello(ports, this.self.record, channel, hello.nonce);
    this.#meet(hello.record);
    return answer;
  }

  async answerPing({ updates }: Question<'ping'>, from: NodeId): Promise<Answer<'ping'>> {
    const refuting = this.#hearAll(updates, from);
    if (refuting !== undefined) await refuting;
    const member = this.table.get(from);
    const answer = { updates: this.#updatesFor(member) };
    if (member === undefined || member.state === 'left') return { ...answer, unknown: true };
    this.beliefs.heard(member);
    return answer;
  }

  /** Only members are pinged for others, at the address that they gave themselves: nobody is sent anywhere else. */
  async answerPingReq(input: Question<'ping_req'>, from: NodeId): Promise<Answer<'ping_req'>> {
    this.#hearAll(input.updates, from);
    const member = this.table.get(input.target);
    if (member === undefined) return { acked: false, updates: [] };
    const acked = await this.#ping(member, this.#parts.ports.config().direct_timeout_ms);
    if (!acked && isPresent(member) && input.confirm !== true) this.#prober.doubt(member);
    return { acked, updates: this.#updatesFor(this.table.get(from)) };
  }

  answerSync(input: Question<'sync'>, from: NodeId): Answer<'sync'> {
    return this.#comparison.answer(input, from);
  }

  #isPresent(id: NodeId): boolean {
    const member = this.table.get(id);
    return member !== undefined && isPresent(member);
  }

  #meet(record: NodeRecord): void {
    this.beliefs.hearRecord(record, record.id);
    const member = this.table.get(record.id);
    if (member !== undefined && member.state !== 'left') this.beliefs.heard(member);
  }

  /** Gives what is being signed, when it was said that this node is gone. */
  #hearAll(updates: readonly Update[], from: NodeId): Promise<unknown> | undefined {
    const { incarnation } = this.self.record;
    let isAccused = false;
    for (const update of updates) {
      if ('claim' in update && update.claim.id === this.self.id) isAccused ||= update.claim.incarnation === incarnation;
      this.beliefs.hear(update, from);
    }
    if (this.#news.size > backlogMin) this.#planSyncs();
    return isAccused ? this.self.settled() : undefined;
  }

  /** What is said of the member itself comes first: it is the one who can answer it. */
  #updatesFor(member: Member | undefined, countMax: number = overlayLimits.updatesMax): Update[] {
    const claim = member?.claim;
    if (claim === undefined) return this.#news.take(countMax);
    return [{ claim }, ...this.#news.take(countMax - 1)];
  }

  /** Who is asked to ping a newcomer may not have heard of it. */
  #introduction(id: NodeId): Update[] {
    const record = this.table.get(id)?.record;
    const isNew = record !== undefined && this.#parts.ports.clock.wallMs() - record.issued_at < newcomerMs;
    return isNew ? [{ record }] : [];
  }

  async #ping(member: Member, timeoutMs: number): Promise<boolean> {
    const { clock } = this.#parts.ports;
    const sentMs = clock.monotonicMs();
    const accused = member.claim !== undefined;
    const answer = await this.#tell(member, this.#updatesFor(member), timeoutMs);
    if (answer === undefined || !this.#isOpen) return false;
    this.beliefs.heard(member, clock.monotonicMs() - sentMs);
    if (answer === 'refused') return true;
    const wasGone = this.#hearAll(answer.updates, member.record.id);
    if (answer.unknown === true) void this.#greetQuietly(contactOf(member.record));
    // Who said that we are gone hears it from us that we are not.
    else if (wasGone !== undefined && !accused) {
      void wasGone.then(() => this.#tell(member, [{ record: this.self.record }], timeoutMs));
    }
    return true;
  }

  /** `refused`: it is there, and does not want this. */
  async #tell(member: Member, updates: Update[], timeoutMs: number): Promise<Answer<'ping'> | 'refused' | undefined> {
    try {
      return await this.#parts.asker.ask(contactOf(member.record), 'ping', { updates }, timeoutMs);
    } catch (error) {
      return isAnswered(error) && !this.#parts.isBanned(member.record.id) ? 'refused' : undefined;
    }
  }

  async #pingThrough(
    proxy: Member,
    target: NodeId,
    isConfirming: boolean,
    timeoutMs: number,
  ): Promise<boolean | undefined> {
    const introduction = this.#introduction(target);
    const updates = this.#updatesFor(proxy, overlayLimits.updatesMax - introduction.length);
    const input = {
      target,
      ...(isConfirming ? ({ confirm: true } as const) : {}),
      updates: [...introduction, ...updates],
    };
    try {
      const answer = await this.#parts.asker.ask(contactOf(proxy.record), 'ping_req', input, timeoutMs);
      this.#hearAll(answer.updates, proxy.record.id);
      return answer.acked;
    } catch (error) {
      return isAnswered(error) ? false : undefined;
    }
  }

  async #greetQuietly(to: Contact): Promise<void> {
    try {
      await this.greet(to);
    } catch (error) {
      this.#parts.ports.log.debug({ error }, 'a hello failed');
    }
  }

  #planPush(): void {
    if (this.#pushTimer !== undefined || !this.#isOpen) return;
    const { clock } = this.#parts.ports;
    const delayMs = Math.max(push.delayMs, this.#pushedMs + push.gapMs - clock.monotonicMs());
    this.#pushTimer = clock.after(delayMs, () => {
      this.#pushTimer = undefined;
      this.#pushedMs = clock.monotonicMs();
      const updates = this.#news.takeUrgent(overlayLimits.updatesMax);
      for (const member of this.table.sample(push.fanOut, ({ state }) => state === 'alive'))
        void this.#push(member, updates);
      if (this.#news.urgent > 0) this.#planPush();
    });
  }

  async #push(member: Member, updates: Update[]): Promise<void> {
    const answer = await this.#tell(member, updates, callTimeoutMs);
    if (answer === undefined || answer === 'refused' || !this.#isOpen) return;
    this.#hearAll(answer.updates, member.record.id);
    if (answer.unknown === true) void this.#greetQuietly(contactOf(member.record));
  }

  #planSyncs(): void {
    if (this.#areSyncsPlanned) return;
    this.#areSyncsPlanned = true;
    const [firstMs, lastMs] = laterSyncsMs;
    this.#after(firstMs, () => void this.#syncWithSome(undefined));
    this.#after(lastMs, () => {
      this.#areSyncsPlanned = false;
      void this.#syncWithSome(undefined);
    });
  }

  #syncLater(): void {
    const { random, config } = this.#parts.ports;
    this.#after(config().sync_period_ms * (0.5 + random.unit()), () => {
      this.#syncLater();
      const start = Array.from(random.bytes(3), (byte) => byte.toString(16).padStart(2, '0')).join('');
      void this.#syncWithSome(start.padEnd(64, '0'));
    });
  }

  async #syncWithSome(start: NodeId | undefined): Promise<void> {
    const [member] = this.table.sample(1, ({ state }) => state === 'alive');
    if (member === undefined) return;
    try {
      await this.#comparison.run(contactOf(member.record), callTimeoutMs, start);
    } catch (error) {
      this.#parts.ports.log.debug({ error }, 'a comparison of members failed');
    }
  }

  #renewLater(): void {
    this.#after(renewMs * (0.75 + this.#parts.ports.random.unit() / 2), () => {
      this.#renewLater();
      void this.self.renew().catch((error: unknown) => {
        this.#parts.ports.log.warn({ error }, 'the record of this node could not be signed');
      });
    });
  }

  #after(delayMs: number, task: () => void): void {
    const timer = this.#parts.ports.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      task();
    });
    this.#timers.add(timer);
  }
}
