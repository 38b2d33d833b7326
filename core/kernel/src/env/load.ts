/** How busy the process is, as measured and not as guessed from what it was asked. */
export interface LoadReading {
  /**
   * Milliseconds that a turn of the event loop takes, the least of the last three that were measured, 20 ms apart or
   * more. One long turn (a collection, another process on the core) is no lack of capacity; one after the other is. After
   * the standing queue of CoDel, RFC 8289, 3.2.
   */
  readonly loopDelayMs: number;
  /** The latest turn of the last 250 ms, milliseconds. */
  readonly loopDelayMaxMs: number;
  /** Share of the last 250 ms in which the loop worked, 0 to 1. */
  readonly loopUtilization: number;
  readonly heapUsedBytes: number;
  /** Past it the process ends. */
  readonly heapLimitBytes: number;
}

/** Dispose to stop measuring. */
export interface LoadMeter extends Disposable {
  /** Under 1 µs: what is expensive to find out is found out every 250 ms. */
  read(): LoadReading;
}

const idle: LoadReading = {
  loopDelayMs: 0,
  loopDelayMaxMs: 0,
  loopUtilization: 0,
  heapUsedBytes: 0,
  heapLimitBytes: Number.MAX_SAFE_INTEGER,
};

/** Says what it was last told: for tests, and for a simulation, whose loop is never late. */
export interface SettableLoadMeter extends LoadMeter {
  /** What is left out is as in an idle process. */
  set(reading: Partial<LoadReading>): void;
}

export function createSettableLoad(first: Partial<LoadReading> = {}): SettableLoadMeter {
  let reading: LoadReading = { ...idle, ...first };
  return {
    read: () => reading,
    set(next) {
      reading = { ...idle, ...next };
    },
    [Symbol.dispose]: () => undefined,
  };
}
