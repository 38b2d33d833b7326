import { type Clock, type Log, sleep } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ScrubOutput } from '@ron/proto/storage';
import type { Static } from 'typebox';
import type { StoredObject } from './engine.ts';
import { Pacer, type PacerLimits } from './pacer.ts';
import type { VerifiedReads } from './verified-reads.ts';

export type ScrubState = Static<typeof ScrubOutput>;

/** Bytes verified in one step. */
const stepBytes = 1_048_576;
const badMax = 1_000;

/** Reads and verifies every object in the background, one run at a time. Damage is quarantined by the engine. */
export class Scrubber {
  readonly #reads: VerifiedReads;
  readonly #clock: Clock;
  readonly #limits: () => PacerLimits;
  readonly #log: Log;
  #run: ScrubRun | undefined;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  constructor(reads: VerifiedReads, clock: Clock, limits: () => PacerLimits, log: Log) {
    this.#reads = reads;
    this.#clock = clock;
    this.#limits = limits;
    this.#log = log;
  }

  /** A scrub that runs goes on, at the new pace. */
  start(bytesPerSecond: number): void {
    if (this.#run?.running) {
      this.#run.setPace(bytesPerSecond);
      return;
    }
    this.#stop = new AbortController();
    const run = new ScrubRun(this.#reads, this.#clock, this.#limits, bytesPerSecond);
    this.#run = run;
    this.#ended = run.finish(this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#log.error({ err: error }, 'scrub ended early');
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort(new RonError('unavailable', 'the scrub was stopped'));
    await this.#ended;
  }

  status(): ScrubState {
    return this.#run?.status() ?? { running: false, checked_objects: 0, checked_bytes: 0, total_bytes: 0, bad: [] };
  }
}

class ScrubRun {
  running = true;
  readonly #reads: VerifiedReads;
  readonly #clock: Clock;
  readonly #limits: () => PacerLimits;
  readonly #bad: Address[] = [];
  #bytesPerSecond: number;
  #checkedObjects = 0;
  #checkedBytes = 0;
  #totalBytes = 0;
  /** Monotonic time before which the next step would be too fast. */
  #dueMs: number;

  constructor(reads: VerifiedReads, clock: Clock, limits: () => PacerLimits, bytesPerSecond: number) {
    this.#reads = reads;
    this.#clock = clock;
    this.#limits = limits;
    this.#bytesPerSecond = bytesPerSecond;
    this.#dueMs = clock.monotonicMs();
  }

  setPace(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  status(): ScrubState {
    const left = Math.max(0, this.#totalBytes - this.#checkedBytes);
    return {
      running: this.running,
      checked_objects: this.#checkedObjects,
      checked_bytes: this.#checkedBytes,
      total_bytes: Math.max(this.#totalBytes, this.#checkedBytes),
      bad: [...this.#bad],
      ...(this.running ? { eta_ms: Math.ceil((left * 1_000) / this.#bytesPerSecond) } : {}),
    };
  }

  async finish(signal: AbortSignal): Promise<void> {
    const pacer = new Pacer(this.#clock, this.#limits, signal);
    const { blobs } = this.#reads;
    try {
      for (const object of blobs.entries()) {
        if (object.state !== 'quarantined') this.#totalBytes += object.sizeBytes;
        if (pacer.due()) await pacer.pause();
      }
      for (const object of blobs.entries()) {
        if (object.state !== 'quarantined') await this.#check(object, signal);
        if (pacer.due()) await pacer.pause();
      }
    } finally {
      this.running = false;
    }
  }

  async #check(object: StoredObject, signal: AbortSignal): Promise<void> {
    try {
      // An empty object has one group too.
      let start = 0;
      do {
        const length = Math.min(stepBytes, object.sizeBytes - start);
        await this.#reads.counted(object.address, () => this.#verify(object, start, length));
        this.#checkedBytes += length;
        start += length;
        await this.#keepPace(length, signal);
      } while (start < object.sizeBytes);
      this.#checkedObjects += 1;
    } catch (error) {
      if (!(error instanceof RonError)) throw error;
      // Purged since the walk came to it.
      if (error.code === 'not_found') return;
      if (error.code !== 'integrity') throw error;
      this.#checkedObjects += 1;
      if (this.#bad.length < badMax) this.#bad.push(object.address);
    }
  }

  async #verify(object: StoredObject, start: number, length: number): Promise<void> {
    const { blobs } = this.#reads;
    if (blobs.verify !== undefined) return await blobs.verify(object.address, start, length);
    for await (const _verified of blobs.read(object.address, start, length)) {
      // The engine verifies each group before it yields it.
    }
  }

  /** Sleeps as long as the bytes should have taken; time that other work took is not made up for in a burst. */
  async #keepPace(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (bytes * 1_000) / this.#bytesPerSecond;
    const waitMs = this.#dueMs - nowMs;
    if (waitMs >= 1) await sleep(this.#clock, Math.min(Math.ceil(waitMs), 2 ** 31 - 1), signal);
  }
}
