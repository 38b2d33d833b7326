/** A byte connection as a driver needs it: the kernel's `Duplex`, or anything of the same shape. */
export interface BytePipe {
  write(pieces: readonly Uint8Array[]): boolean;
  start(events: { data(bytes: Uint8Array): void; drain(): void; close(reason: Error | undefined): void }): void;
  close(): void;
  destroy(): void;
}

/** Time for a driver: idle, handshake and progress limits are checked once a second. */
export interface DriverClock {
  monotonicMs(): number;
  after(delayMs: number, task: () => void): { cancel(): void };
}

export const tickMs = 1_000;
