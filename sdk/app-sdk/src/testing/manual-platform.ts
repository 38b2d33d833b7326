import type { Platform } from '../transport.ts';

/** Turns of the event loop in which whatever a timer set off comes to rest. */
const turns = 200;

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

/** A clock that moves when the test says so, and chance that always answers the longest. */
export class ManualPlatform implements Platform {
  nowMs = 0;
  #timers: Timer[] = [];

  get timers(): number {
    return this.#timers.length;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_000_000 + this.nowMs;
  }

  after(delayMs: number, task: () => void): { cancel(): void } {
    const timer = { atMs: this.nowMs + delayMs, task };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  randomBytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(255);
  }

  /** Runs what comes due on the way, in its order. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await settled();
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.nowMs = due.atMs;
      due.task();
      await settled();
    }
    this.nowMs = endMs;
  }
}

/** Until nothing is left to do but to wait for a timer. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
}
