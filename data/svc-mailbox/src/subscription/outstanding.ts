import type { BoxKey } from '../state/command.ts';

interface Pushed {
  readonly number: number;
  untilMs: number;
}

/** What one subscription has pushed and its client has not settled yet; at most its credit. */
export class Outstanding {
  readonly id: string;
  readonly key: BoxKey;
  readonly #pushed = new Map<string, Pushed>();
  #lastNumber = 0;
  #stream = 0;
  #onChange: (() => void) | undefined;

  constructor(id: string, key: BoxKey) {
    this.id = id;
    this.key = key;
  }

  get count(): number {
    return this.#pushed.size;
  }

  /** When the first of the leases runs out; Infinity without one. */
  get nextEndMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#pushed.values()) nextMs = Math.min(nextMs, untilMs);
    return nextMs;
  }

  /**
   * A stream begins to push for this subscription. The one before, which may not have noticed yet that its client is
   * gone, is woken. The function says whether the new one still is the one that pushes.
   */
  begin(): () => boolean {
    this.#stream += 1;
    const mine = this.#stream;
    this.#onChange?.();
    return () => this.#stream === mine;
  }

  leases(): Iterable<string> {
    return this.#pushed.keys();
  }

  /** Returns the number of the event that carries it. */
  push(lease: string, untilMs: number): number {
    this.#lastNumber += 1;
    this.#pushed.set(lease, { number: this.#lastNumber, untilMs });
    return this.#lastNumber;
  }

  settled(lease: string): void {
    if (this.#pushed.delete(lease)) this.#onChange?.();
  }

  extended(lease: string, untilMs: number): void {
    const pushed = this.#pushed.get(lease);
    if (pushed !== undefined) pushed.untilMs = untilMs;
  }

  endedBy(nowMs: number): readonly string[] {
    return this.#where(({ untilMs }) => untilMs <= nowMs);
  }

  pushedAfter(number: number): readonly string[] {
    return this.#where((pushed) => pushed.number > number);
  }

  /** Called when a lease is settled, or another stream takes over; one listener at a time. */
  onChange(listener: () => void): Disposable {
    this.#onChange = listener;
    return {
      [Symbol.dispose]: () => {
        if (this.#onChange === listener) this.#onChange = undefined;
      },
    };
  }

  #where(wanted: (pushed: Pushed) => boolean): readonly string[] {
    return [...this.#pushed].filter(([, pushed]) => wanted(pushed)).map(([lease]) => lease);
  }
}
