import type { Platform } from '../transport.ts';

/** A clock that moves only when somebody waits, and chance that always answers the same. */
export class FakePlatform implements Platform {
  nowMs = 0;
  readonly waitsMs: number[] = [];
  readonly #byte: number;

  /** `byte` 255: the longest jitter, 0: none. */
  constructor(byte = 255) {
    this.#byte = byte;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return 1_000_000 + this.nowMs;
  }

  after(delayMs: number, task: () => void): { cancel(): void } {
    // Deadlines are far; what is short is a pause that the code under test waits for.
    if (delayMs >= 30_000) return { cancel: () => undefined };
    let cancelled = false;
    queueMicrotask(() => {
      if (cancelled) return;
      this.nowMs += delayMs;
      this.waitsMs.push(delayMs);
      task();
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }

  randomBytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(this.#byte);
  }
}
