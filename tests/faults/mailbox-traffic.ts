import {
  checkHistory,
  type Grant,
  type HistoryLimits,
  type Moment,
  type SendCall,
} from '../contract/engines/mailbox-history.ts';
import {
  deadLetters,
  type NodeAddress,
  receive,
  remove,
  type SendAnswer,
  send,
  settle,
  statsOf,
  Unexpected,
  type WireMessage,
} from './mailbox-client.ts';
import { bodyOf, inputOf, numberOf } from './mailbox-message.ts';
import { Failure, must, pause } from './scenario.ts';

const dayMs = 86_400_000;
/** High, so that deliveries of which nobody heard do not blur what is checked about groups. */
const attemptsMax = 1_000;
export const trafficArgs = ['--set', `mailbox.attempts_max=${attemptsMax}`] as const;
const limits: HistoryLimits = { attemptsMax, keyWindowMs: dayMs, deadRetentionMs: 14 * dayMs };

/** A message as its producer knows it, over all tries to send it. */
interface Sent {
  readonly number: number;
  readonly box: string;
  readonly tries: Draft<SendCall>[];
  id: string | undefined;
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

interface Held extends WireMessage {
  readonly box: string;
  readonly visibilityMs: number;
}

export interface TrafficOptions {
  readonly random: () => number;
  readonly producers: number;
  readonly consumers: number;
  readonly visibilityMs: number;
  /** A status that says that the node cannot now; what was asked may have been done. */
  readonly unable?: number;
}

/** Producers and consumers that outlive their node, and what they have seen of it. */
export class MailboxTraffic {
  readonly #options: TrafficOptions;
  readonly #random: () => number;
  readonly #history: Moment[] = [];
  readonly #sent = new Map<number, Sent>();
  readonly #settledAtMs = new Map<string, number>();
  readonly #boxes = new Set<string>();
  #node: NodeAddress | undefined;
  #stopped = false;
  #workers: Promise<unknown> | undefined;
  #lastChangeMs = 0;
  #downMs: number | undefined;
  readonly counts = {
    sent: 0,
    duplicates: 0,
    delivered: 0,
    again: 0,
    acked: 0,
    nacked: 0,
    extended: 0,
    removed: 0,
    unable: 0,
  };
  /** Settled with a lease that was given before the node went down: good, and refused. */
  readonly overRestart = { good: 0, refused: 0 };
  refused = 0;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  /** From now on all talk to this node. */
  up(node: NodeAddress): void {
    if (this.#downMs !== undefined) {
      const repeatedMs = Math.max(0, this.#downMs - this.#lastChangeMs);
      this.#history.push({ op: 'restart', downMs: this.#downMs, upMs: performance.now(), repeatedMs });
    }
    this.#downMs = undefined;
    this.#node = node;
    if (this.#workers !== undefined) return;
    this.#workers = Promise.all([
      ...Array.from({ length: this.#options.producers }, (_, index) => this.#produce(index)),
      ...Array.from({ length: this.#options.consumers }, (_, index) => this.#consume(index)),
    ]);
    // Heard by `run` and `stop`, which may come later than the failure.
    this.#workers.catch(() => undefined);
  }

  /** The node is about to go: whatever fails from now on is nobody's fault. */
  down(): void {
    this.#node = undefined;
    this.#downMs = performance.now();
  }

  /** Rejects when something that must not be was seen; otherwise after `ms`. */
  async run(ms: number): Promise<void> {
    await Promise.race([pause(ms), this.#workers]);
  }

  /** No more work; rejects with what went wrong. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#workers;
  }

  /** Judges everything so far. */
  judge(): void {
    const violations = checkHistory(this.#moments(), limits);
    if (violations.length === 0) return;
    const shown = violations.slice(0, 5).map(({ rule, detail }) => `${rule}: ${detail}`);
    throw new Failure(`${violations.length} violations, first ${shown.join('; ')}`);
  }

  /** Takes all that is left, and judges the whole history with that. */
  async finish(node: NodeAddress, withinMs: number): Promise<void> {
    await this.stop();
    this.#node = node;
    const until = performance.now() + withinMs;
    for (const box of this.#boxes) {
      for (let left = 1; left > 0; ) {
        const grants = await this.#receive(node, box, 100, 30_000, 0);
        if (grants.length > 0) await this.#settle(node, 'ack', grants);
        const stats = await statsOf(node, box);
        left = stats === undefined ? 0 : stats.ready + stats.delayed + stats.in_flight;
        must(performance.now() < until, `${box} does not become empty: ${JSON.stringify(stats)}`);
        if (left > 0 && grants.length === 0) await pause(50);
      }
    }
    await this.#sendAllAgain(node);
    const dead = new Set<string>();
    for (const box of this.#boxes) for (const { id } of await deadLetters(node, box)) dead.add(id);
    this.#history.push({ op: 'remains', atMs: performance.now(), alive: new Set(), dead });
    this.judge();
  }

  /** Every key is remembered, whatever became of its message. */
  async #sendAllAgain(node: NodeAddress): Promise<void> {
    const all = [...this.#sent.values()].filter(({ id }) => id !== undefined);
    for (let at = 0; at < Math.min(all.length, 500); at++) {
      const one = all[Math.trunc(this.#random() * all.length)]!;
      const answer = await send(node, one.box, inputOf(one.number));
      must(answer.duplicate && answer.id === one.id, `key ${one.number}: ${answer.id} instead of ${one.id}`);
    }
  }

  async #produce(index: number): Promise<void> {
    for (let round = 0; !this.#stopped; round++) {
      const number = round * this.#options.producers + index + 1;
      const box = `faults-${number % 3}`;
      this.#boxes.add(box);
      const sent: Sent = { number, box, tries: [], id: undefined };
      this.#sent.set(number, sent);
      while (!this.#stopped) {
        const answer = await this.#trySend(sent);
        if (answer !== undefined && this.#random() > 0.1) break;
      }
    }
  }

  async #trySend(sent: Sent): Promise<SendAnswer | undefined> {
    const { number, box } = sent;
    const { group, ttl_ms, idempotency_key, ...more } = inputOf(number);
    const call: Draft<SendCall> = {
      op: 'send',
      box: sent.box,
      invokedMs: performance.now(),
      respondedMs: undefined,
      id: '',
      key: idempotency_key,
      group,
      ttlMs: ttl_ms ?? 7 * dayMs,
      deadOnExpiry: ttl_ms !== undefined,
      answer: undefined,
    };
    const answer = await this.#ask((node) => {
      call.invokedMs = performance.now();
      sent.tries.push(call);
      this.#history.push(call);
      return send(node, box, { group, ttl_ms, idempotency_key, ...more });
    });
    if (answer === undefined) return undefined;
    must(answer.durability === 'fsync', `durability is ${answer.durability}`);
    must(sent.id === undefined || sent.id === answer.id, `key ${number} gave ${sent.id} and then ${answer.id}`);
    call.respondedMs = performance.now();
    call.answer = answer;
    sent.id = answer.id;
    this.#lastChangeMs = Math.max(this.#lastChangeMs, call.invokedMs);
    this.counts[answer.duplicate ? 'duplicates' : 'sent']++;
    return answer;
  }

  async #consume(index: number): Promise<void> {
    while (!this.#stopped) {
      const box = `faults-${(index + Math.trunc(this.#random() * 2)) % 3}`;
      const { visibilityMs } = this.#options;
      const max = 1 + Math.trunc(this.#random() * 8);
      const held = await this.#ask((node) => this.#receive(node, box, max, visibilityMs, 300));
      if (held !== undefined && held.length > 0) await this.#handle(held);
    }
  }

  async #receive(node: NodeAddress, box: string, max: number, visibilityMs: number, waitMs: number): Promise<Held[]> {
    const call = { op: 'receive' as const, box, invokedMs: performance.now(), visibilityMs };
    const seen: { respondedMs: number | undefined; grants: Grant[] } = { respondedMs: undefined, grants: [] };
    const moment = Object.assign(call, seen);
    this.#history.push(moment);
    const messages = await receive(node, box, { max, visibility_ms: visibilityMs, wait_ms: waitMs });
    moment.respondedMs = performance.now();
    if (messages.length > 0) this.#lastChangeMs = Math.max(this.#lastChangeMs, moment.invokedMs);
    for (const { id, fence, attempt, body } of messages) {
      moment.grants.push({ id, fence, attempt });
      const sent = this.#sent.get(numberOf(body));
      must(sent !== undefined && body === bodyOf(sent.number), `WRONG BODY of ${id}: ${body?.slice(0, 40)}`);
      must(sent.id === undefined || sent.id === id, `WRONG BODY of ${id}: that of ${sent.id}`);
      sent.id = id;
      const settledMs = this.#settledAtMs.get(id);
      must(settledMs === undefined || settledMs > moment.invokedMs, `${id} was delivered after it was acknowledged`);
      this.counts.delivered++;
      if (attempt > 1) this.counts.again++;
    }
    return messages.map((message) => ({ ...message, box, visibilityMs }));
  }

  /** Settles at once, late, or never; some hold on for longer than they may. */
  async #handle(held: readonly Held[]): Promise<void> {
    const drawn = this.#random();
    const { visibilityMs } = this.#options;
    const downBefore = this.#history.length;
    if (drawn < 0.04) return;
    if (drawn < 0.25) await pause(this.#random() * visibilityMs * 1.3);
    else if (drawn < 0.35) {
      await this.#again((node) => this.#settle(node, 'extend', held));
      await pause(this.#random() * visibilityMs * 1.2);
    }
    if (drawn > 0.97) {
      await this.#again((node) => this.#remove(node, held[0]!));
      return;
    }
    const operation = drawn > 0.88 ? 'nack' : 'ack';
    const good = await this.#again((node) => this.#settle(node, operation, held));
    const restarted = this.#history.slice(downBefore).some(({ op }) => op === 'restart');
    for (const ok of good ?? []) if (restarted) this.overRestart[ok ? 'good' : 'refused']++;
  }

  async #settle(node: NodeAddress, op: 'ack' | 'nack' | 'extend', held: readonly Held[]): Promise<readonly boolean[]> {
    const { visibilityMs, box } = held[0]!;
    const answer: { respondedMs: number | undefined; ok: boolean | undefined } = {
      respondedMs: undefined,
      ok: undefined,
    };
    const invokedMs = performance.now();
    const calls = held.map(({ id, fence }) => ({ op, box, id, fence, invokedMs, visibilityMs, ...answer }));
    this.#history.push(...calls);
    const more = {
      ack: {},
      nack: { delay_ms: Math.trunc(this.#random() * 300) },
      extend: { visibility_ms: visibilityMs },
    };
    const leases = held.map(({ lease }) => lease);
    const results = await settle(node, box, op, leases, more[op]);
    for (const [index, call] of calls.entries()) {
      call.respondedMs = performance.now();
      call.ok = results[index]!;
      if (!call.ok) this.refused++;
      else if (op === 'ack') this.#settledAtMs.set(call.id, call.respondedMs);
      if (call.ok) this.counts[`${op}ed`]++;
    }
    if (results.includes(true)) this.#lastChangeMs = Math.max(this.#lastChangeMs, invokedMs);
    return results;
  }

  async #remove(node: NodeAddress, { id, box }: Held): Promise<void> {
    const answer: { respondedMs: number | undefined; ok: boolean | undefined } = {
      respondedMs: undefined,
      ok: undefined,
    };
    const call = { op: 'remove' as const, box, id, invokedMs: performance.now(), ...answer };
    this.#history.push(call);
    call.ok = await remove(node, box, id);
    call.respondedMs = performance.now();
    if (!call.ok) return;
    this.#settledAtMs.set(id, call.respondedMs);
    this.#lastChangeMs = Math.max(this.#lastChangeMs, call.invokedMs);
    this.counts.removed++;
  }

  /** Until it is answered, whichever node does: what a client does that wants to know. */
  async #again<T>(question: (node: NodeAddress) => Promise<T>): Promise<T | undefined> {
    while (!this.#stopped) {
      const answer = await this.#ask(question);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** Undefined: the node went down, or there is none. What fails while it is up is thrown. */
  async #ask<T>(question: (node: NodeAddress) => Promise<T>): Promise<T | undefined> {
    const node = this.#node;
    if (node === undefined) {
      await pause(5);
      return undefined;
    }
    try {
      return await question(node);
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (error instanceof Unexpected && error.status === this.#options.unable) {
        this.counts.unable++;
        await pause(20);
        return undefined;
      }
      if (this.#node === node) throw new Failure(`${(error as Error).message} ${node.stderr().slice(-600)}`);
      return undefined;
    }
  }

  /** Tries to send that were not answered belong to the message of their key. */
  #moments(): readonly Moment[] {
    for (const { number, id, tries } of this.#sent.values()) for (const one of tries) one.id = id ?? `unsent-${number}`;
    return this.#history;
  }
}
