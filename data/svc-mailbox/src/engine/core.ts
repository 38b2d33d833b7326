import type { Clock, Random, Timer } from '@ron/kernel';
import type { Box } from '../state/box.ts';
import type { BoxKey } from '../state/command.ts';
import type { FactSink } from '../state/facts.ts';
import { Machine, type MachineLimits } from '../state/machine.ts';
import type { BoxCounts, HeldAddress, Page, Position, Totals } from './engine.ts';
import { Watchers } from './watchers.ts';

export interface CorePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: () => MachineLimits;
  readonly facts: FactSink;
}

/** A timer that is set further away than this is set again on the way. */
const timerMsMax = 3_600_000;

/**
 * What all engines in this process share: the machine, its clock and its timer, and who waits. The mailbox clock counts
 * the milliseconds that engines have run, so that no jump of the wall clock moves a lease.
 */
export class Core {
  readonly machine: Machine;
  readonly watchers = new Watchers();
  readonly #clock: Clock;
  #originMs: number;
  #timer: Timer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor({ clock, random, limits, facts }: CorePorts) {
    this.#clock = clock;
    this.#originMs = -clock.monotonicMs();
    const watchers = this.watchers;
    const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
    const ports = {
      limits,
      keySeed: (a << 24) | (b << 16) | (c << 8) | d,
      facts,
      onOffered: (box: Box) => watchers.onOffered(box),
      onSent: (box: Box) => watchers.onSent(box),
    };
    this.machine = new Machine(ports);
  }

  /** Lets the mailbox clock, which begins at 0, go on from a later moment; before anything is in the machine. */
  begin(startMs: number): void {
    this.#originMs = startMs - this.#clock.monotonicMs();
    this.machine.advance(startMs, this.#clock.wallMs());
  }

  /** Lets happen what is due, and returns the time. */
  advance(): number {
    const nowMs = Math.floor(this.#originMs + this.#clock.monotonicMs());
    this.machine.advance(nowMs, this.#clock.wallMs());
    return this.machine.life.nowMs;
  }

  /** After anything that may have changed the machine: tells who waits, and sets the timer. */
  settle(): void {
    this.watchers.wake();
    const nextMs = this.machine.life.nextMs;
    if (this.#closed || nextMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = nextMs;
    const delayMs = Math.min(timerMsMax, Math.max(1, nextMs - this.machine.life.nowMs));
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.advance();
      this.settle();
    });
  }

  /** Wakes everybody and stops the timer. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.watchers.wakeAll();
  }

  watch(key: BoxKey, wake: () => void, options?: { readonly peek?: boolean }): Disposable {
    const peek = options?.peek === true;
    const there = !peek && this.box(key)?.next() !== undefined;
    if (!there && !this.#closed) return this.watchers.add(key, wake, peek);
    let left = false;
    queueMicrotask(() => {
      if (!left) wake();
    });
    return {
      [Symbol.dispose]: () => {
        left = true;
      },
    };
  }

  box(key: BoxKey): Box | undefined {
    return this.machine.life.ledger.find(key);
  }

  stats(key: BoxKey): BoxCounts | undefined {
    this.advance();
    this.settle();
    const box = this.box(key);
    return box === undefined ? undefined : this.#countsOf(box);
  }

  boxes(tenantName: string, after: string | undefined, limit: number): readonly BoxCounts[] {
    this.advance();
    this.settle();
    const tenant = this.machine.life.ledger.tenant(tenantName);
    if (tenant === undefined) return [];
    return tenant.names.page(after, limit).map((name) => this.#countsOf(tenant.boxes.get(name)!));
  }

  totals(): Totals {
    const { ledger } = this.machine.life;
    const { ready, delayed, leased, dead } = ledger.counts;
    const { boxes, bytes } = ledger;
    return { boxes, ready, delayed, inFlight: leased, dead, bytes, keys: this.machine.keys.size };
  }

  roots(after: Position | undefined, limit: number): Page<HeldAddress> {
    return this.machine.life.addressed.page(after, limit);
  }

  #countsOf(box: Box): BoxCounts {
    const { ready, delayed, leased, dead } = box.counts;
    const oldest = box.alive.first;
    const oldestAgeMs = oldest === undefined ? 0 : Math.max(0, this.machine.life.nowMs - oldest.origin.sentMs);
    const { name, bytes, counters } = box;
    return { box: name, ready, delayed, inFlight: leased, dead, bytes, oldestAgeMs, ...counters };
  }
}
