import { type Clock, fullJitterMs, type Random } from '@ron/kernel';

/** Contacts of which failures are remembered; past it the oldest is forgotten. */
export const backoffContactsMax = 1_024;

/** After a failure a contact is left alone for a while, longer each time. Kept by id and address: a wrong address of a node costs nobody the right one. */
export class DialBackoff {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #random: Random;
  readonly #failed = new Map<string, { readonly failures: number; readonly untilMs: number }>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get size(): number {
    return this.#failed.size;
  }

  /** Milliseconds until it may be dialled again; 0: now. */
  leftMs(contact: string): number {
    return Math.max(0, (this.#failed.get(contact)?.untilMs ?? 0) - this.#clock.monotonicMs());
  }

  failed(contact: string): void {
    const failures = (this.#failed.get(contact)?.failures ?? 0) + 1;
    this.#failed.delete(contact);
    const untilMs = this.#clock.monotonicMs() + fullJitterMs(this.#random, failures);
    this.#failed.set(contact, { failures, untilMs });
    if (this.#failed.size <= backoffContactsMax) return;
    const [oldest] = this.#failed.keys();
    this.#failed.delete(oldest as string);
  }

  succeeded(contact: string): void {
    this.#failed.delete(contact);
  }
}
