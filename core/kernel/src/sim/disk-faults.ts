import { SystemError } from '../env/system-error.ts';
import type { SimRandom } from './random.ts';

export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'truncate'
  | 'list';

export type DiskFault =
  | 'error'
  | 'no_space'
  | 'flipped_bit'
  | 'lost_write'
  | 'torn_write'
  | 'lost_entry'
  | 'dropped_by_failed_sync';

/** What may go wrong by chance; all 0 at first. Probabilities for one operation. */
export interface DiskFaultRates {
  readonly readError: number;
  readonly writeError: number;
  readonly syncError: number;
  /** For one read: a bit of what it returns, and of what is stored, is flipped. */
  readonly flip: number;
}

/** The faults of one simulated disk and how often each has fired. */
export class DiskFaults {
  /** Bytes that files may hold together. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Virtual milliseconds of one asynchronous operation, uniform between the two. With 0 and 0 no scheduler is needed. */
  latencyMs: readonly [number, number] = [0, 0];
  rates: DiskFaultRates = { readError: 0, writeError: 0, syncError: 0, flip: 0 };
  readonly random: SimRandom;
  readonly fired = new Map<DiskFault, number>();
  readonly #counts = new Map<DiskOperation, number>();
  readonly #planned = new Map<string, string>();

  constructor(random: SimRandom) {
    this.random = random;
  }

  /** Operations of a kind so far: an anomaly sweep fails the first, the second, … until it has passed them all. */
  count(operation: DiskOperation): number {
    return this.#counts.get(operation) ?? 0;
  }

  /** Fails the `nth` operation from now (1 = the next) once. */
  failNth(operation: DiskOperation, nth: number, code = 'EIO'): void {
    this.#planned.set(`${operation} ${this.count(operation) + nth}`, code);
  }

  note(fault: DiskFault): void {
    this.fired.set(fault, (this.fired.get(fault) ?? 0) + 1);
  }

  /** Counts an operation, and throws when it is to fail. */
  check(operation: DiskOperation): void {
    const count = this.count(operation) + 1;
    this.#counts.set(operation, count);
    const key = `${operation} ${count}`;
    const planned = this.#planned.get(key);
    this.#planned.delete(key);
    const code = planned ?? (this.#byChance(operation) ? 'EIO' : undefined);
    if (code === undefined) return;
    this.note(code === 'ENOSPC' ? 'no_space' : 'error');
    throw new SystemError(code, `simulated failure of ${operation}`);
  }

  /** Clears plans and rates; capacity, latency and counters stay. */
  calm(): void {
    this.#planned.clear();
    this.rates = { readError: 0, writeError: 0, syncError: 0, flip: 0 };
  }

  #byChance(operation: DiskOperation): boolean {
    const { readError, writeError, syncError } = this.rates;
    const rate =
      operation === 'read' ? readError : operation === 'write' ? writeError : operation === 'sync' ? syncError : 0;
    return rate > 0 && this.random.chance(rate);
  }
}
