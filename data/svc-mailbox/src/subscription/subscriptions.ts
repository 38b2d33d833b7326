import type { Clock } from '@ron/kernel';
import type { BoxKey } from '../state/command.ts';
import { parseLease } from '../state/lease-token.ts';
import { Outstanding } from './outstanding.ts';

/** How long a subscription whose stream broke waits for its client to come back. */
export const resumeMs = 60_000;
/** Subscriptions that wait for that at a time; past it, the oldest are forgotten. */
export const restingMax = 4_096;

interface Held {
  readonly lease: string;
  readonly outstanding: Outstanding;
}

/** All subscriptions that lease: those that run, and those whose clients may come back. */
export class Subscriptions {
  readonly #clock: Clock;
  /** By message, which has one live lease at most. Bounded by the credit of all subscriptions. */
  readonly #held = new Map<string, Held>();
  /** By subscription id. Bounded by the streams that run. */
  readonly #running = new Map<string, Outstanding>();
  /** By subscription id; the one that rests for longest first. */
  readonly #resting = new Map<string, { readonly outstanding: Outstanding; readonly sinceMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is remembered, for tests of its bounds. */
  get size(): { readonly held: number; readonly running: number; readonly resting: number } {
    return { held: this.#held.size, running: this.#running.size, resting: this.#resting.size };
  }

  /** These leases have ended; others are passed over. */
  settled(leases: readonly string[]): void {
    for (const lease of leases) {
      const messageId = messageIdOf(lease);
      if (this.#held.get(messageId)?.lease === lease) this.removed(messageId);
    }
  }

  /** Whatever lease was on this message has ended. */
  removed(messageId: string): void {
    const held = this.#held.get(messageId);
    this.#held.delete(messageId);
    held?.outstanding.settled(held.lease);
  }

  extended(leases: readonly string[], visibilityMs: number): void {
    const untilMs = this.#clock.monotonicMs() + visibilityMs;
    for (const lease of leases) {
      const held = this.#held.get(messageIdOf(lease));
      if (held?.lease === lease) held.outstanding.extended(lease, untilMs);
    }
  }

  /** Returns the number of the event that carries it. */
  pushed(outstanding: Outstanding, lease: string, visibilityMs: number): number {
    const messageId = messageIdOf(lease);
    // A lease that was on it before has run out.
    this.removed(messageId);
    this.#held.set(messageId, { lease, outstanding });
    return outstanding.push(lease, this.#clock.monotonicMs() + visibilityMs);
  }

  /** Forgets leases that have run out by themselves. */
  prune(outstanding: Outstanding): void {
    this.settled(outstanding.endedBy(this.#clock.monotonicMs()));
  }

  /** A new subscription, whose stream begins now. */
  open(id: string, key: BoxKey): Outstanding {
    const outstanding = new Outstanding(id, key);
    this.#running.set(id, outstanding);
    return outstanding;
  }

  /** The stream has ended; the client may come back for what it has not seen. */
  rest(outstanding: Outstanding): void {
    this.#forgetOld();
    this.#running.delete(outstanding.id);
    this.#resting.set(outstanding.id, { outstanding, sinceMs: this.#clock.monotonicMs() });
    if (this.#resting.size > restingMax) this.#forgetFirst();
  }

  /**
   * A subscription whose client has come back to its box; its old stream may still run, where nobody has noticed that
   * the client had gone. Undefined: never heard of it here, or it is too long ago; its leases then run out by themselves.
   */
  resume(id: string, key: BoxKey): Outstanding | undefined {
    this.#forgetOld();
    const found = this.#running.get(id) ?? this.#resting.get(id)?.outstanding;
    if (found?.key.tenant !== key.tenant || found.key.box !== key.box) return undefined;
    this.#resting.delete(id);
    this.#running.set(id, found);
    return found;
  }

  #forgetOld(): void {
    const beforeMs = this.#clock.monotonicMs() - resumeMs;
    for (const { sinceMs } of this.#resting.values()) {
      if (sinceMs >= beforeMs) return;
      this.#forgetFirst();
    }
  }

  #forgetFirst(): void {
    for (const [id, { outstanding }] of this.#resting) {
      this.#resting.delete(id);
      this.settled([...outstanding.leases()]);
      return;
    }
  }
}

function messageIdOf(lease: string): string {
  return parseLease(lease)?.id ?? '';
}
