/** Bounds of the repair. Times in milliseconds. */
export interface RepairLimits {
  /** Bytes a second that repairs copy, over all objects: 50 MiB/s of the design. */
  readonly bytesPerSecond: number;
  readonly copiesAtOnce: number;
  /** A peer that is dead for less still counts: it may only be restarting. */
  readonly graceMs: number;
  /** The same for an object with one living copy or none. */
  readonly urgentGraceMs: number;
  /** Copies beyond the number wanted are given up when there were too many for so long without a break. */
  readonly surplusMs: number;
  /** A target that failed is not chosen for the same object for so long. */
  readonly retryMs: number;
  readonly queueMax: number;
  readonly objectsMax: number;
  /** Holders that are remembered of an object; the one that is dead longest is forgotten first. */
  readonly holdersMax: number;
  readonly tickMs: number;
  /** Objects that are looked at in one tick. */
  readonly looksPerTick: number;
  /** A copy takes at most `copyMs`, and its bytes at `copyBytesPerSecondMin`. */
  readonly copyMs: number;
  readonly copyBytesPerSecondMin: number;
}

export const repairLimitsDefault: RepairLimits = {
  bytesPerSecond: 50 * 1024 * 1024,
  copiesAtOnce: 4,
  graceMs: 600_000,
  urgentGraceMs: 30_000,
  surplusMs: 3_600_000,
  retryMs: 60_000,
  queueMax: 10_000,
  objectsMax: 1_000_000,
  holdersMax: 32,
  tickMs: 1_000,
  looksPerTick: 5_000,
  copyMs: 60_000,
  copyBytesPerSecondMin: 256 * 1024,
};
