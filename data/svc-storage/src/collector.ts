import type { Clock } from '@ron/kernel';
import type { Address } from '@ron/naming';
import type { CallContext } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { CollectOutput } from '@ron/proto/storage';
import type { Static } from 'typebox';
import { AddressSet } from './address-set.ts';
import type { BlobEngine, StoredObject } from './engine.ts';
import type { Holding, Presence } from './holding.ts';
import { Pacer, type PacerLimits } from './pacer.ts';
import { markFrom, type RootPeers, rootsOf } from './reach.ts';
import type { SteadyTime } from './steady-time.ts';
import type { VerifiedReads } from './verified-reads.ts';

export type Collected = Static<typeof CollectOutput>;

export interface CollectorPorts {
  readonly reads: VerifiedReads;
  readonly holding: Holding;
  readonly peers: RootPeers;
  readonly time: SteadyTime;
  readonly clock: Clock;
  readonly trashMs: () => number;
  readonly limits: () => PacerLimits;
  /** Addresses that unfinished uploads announced. */
  readonly announced: () => Iterable<Address>;
  readonly presence: Presence;
}

const sampleMax = 100;

/**
 * Mark and sweep, a slice at a time, with everything else running in between. Marked is what names, messages, pins,
 * unfinished uploads and recent objects hold, and what bundles among those list. Nothing is touched before marking is complete;
 * what is stored or asked for meanwhile counts as held, with its bundle's entries. Memory: 24 bytes or less for each
 * marked object, and the largest bundle manifest.
 */
export class Collector {
  readonly #ports: CollectorPorts;
  #running: Promise<Collected> | undefined;

  constructor(ports: CollectorPorts) {
    this.#ports = ports;
  }

  /** Resolves when no run touches the engine any more. */
  async ended(): Promise<void> {
    await this.#running?.catch(nothing);
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Rejects with `conflict` while another run goes on, and with `unavailable`, having deleted nothing, when the
   * names or the messages cannot be read. Without a context it is the node's own doing.
   */
  async collect(dryRun: boolean, context: CallContext | undefined, stop: AbortSignal): Promise<Collected> {
    if (this.#running !== undefined) throw new RonError('conflict', 'a collection is running');
    this.#running = this.#collect(dryRun, context, stop);
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  async #collect(dryRun: boolean, context: CallContext | undefined, stop: AbortSignal): Promise<Collected> {
    const signal = context?.signal;
    const ended = new AbortController();
    const end = () =>
      ended.abort(signal?.aborted ? signal.reason : new RonError('unavailable', 'the node is stopping'));
    signal?.addEventListener('abort', end, { once: true });
    stop.addEventListener('abort', end, { once: true });
    try {
      if (signal?.aborted || stop.aborted) end();
      const pacer = new Pacer(this.#ports.clock, this.#ports.limits, ended.signal);
      using run = new Run(this.#ports, dryRun, pacer);
      await run.mark(context);
      return await run.sweep();
    } finally {
      signal?.removeEventListener('abort', end);
      stop.removeEventListener('abort', end);
    }
  }
}

function nothing(): void {
  // Its caller hears of it.
}

class Run {
  readonly #ports: CollectorPorts;
  readonly #blobs: BlobEngine;
  readonly #dryRun: boolean;
  readonly #pacer: Pacer;
  readonly #marks = new AddressSet();
  readonly #fence: Disposable;
  /** Touched since the run began, their bundles not yet followed. Drained before each decision. */
  readonly #touched = new Set<Address>();
  readonly #counts = { examined: 0, kept: 0, trashed: 0, trashed_bytes: 0, purged: 0, purged_bytes: 0 };
  readonly #sample: Address[] = [];

  constructor(ports: CollectorPorts, dryRun: boolean, pacer: Pacer) {
    this.#ports = ports;
    this.#blobs = ports.reads.blobs;
    this.#dryRun = dryRun;
    this.#pacer = pacer;
    this.#fence = ports.holding.fence((address) => this.#touched.add(address));
  }

  [Symbol.dispose](): void {
    this.#fence[Symbol.dispose]();
  }

  async mark(context: CallContext | undefined): Promise<void> {
    for await (const roots of rootsOf(this.#ports.peers, context)) {
      for (const root of roots) await this.#markFrom(root.address);
      await this.#pacer.pause();
    }
    for (const address of this.#ports.announced()) await this.#markFrom(address);
    for (const object of this.#blobs.entries()) {
      if (this.#pacer.due()) await this.#pacer.pause();
      // What is only recent and damaged serves nobody: it must not stop the run.
      const recent = object.state !== 'quarantined' && this.#ports.holding.isRecent(object);
      if (recent || this.#blobs.pins(object.address).length > 0) await this.#markFrom(object.address);
    }
  }

  async sweep(): Promise<Collected> {
    for (const object of this.#blobs.entries()) {
      if (this.#pacer.due()) await this.#pacer.pause();
      this.#counts.examined += 1;
      await this.#followTouched();
      // Asked again: while bundles were followed the object may have changed. From here to the change nothing waits.
      const current = this.#blobs.stat(object.address);
      if (current === undefined) continue;
      if (this.#isHeld(current)) await this.#keep(current);
      else if (current.state === 'live') await this.#trash(current);
      else await this.#purgeIfDue(current);
    }
    await this.#followTouched();
    return { dry_run: this.#dryRun, ...this.#counts, sample: this.#sample };
  }

  #isHeld(object: StoredObject): boolean {
    return (
      this.#marks.has(object.address) ||
      this.#blobs.pins(object.address).length > 0 ||
      this.#ports.holding.isRecent(object)
    );
  }

  async #keep(object: StoredObject): Promise<void> {
    if (object.state !== 'quarantined') this.#counts.kept += 1;
    if (object.state === 'trash') await this.#restore(object.address);
  }

  async #trash(object: StoredObject): Promise<void> {
    this.#counts.trashed += 1;
    this.#counts.trashed_bytes += object.sizeBytes;
    this.#note(object.address);
    if (this.#dryRun) return;
    await this.#blobs.setState(object.address, 'trash', this.#ports.time.nowMs());
    this.#ports.presence.onRemoved(object.address);
  }

  /** Trash, and damaged objects that nobody holds: both stay for a while, for people to look at. */
  async #purgeIfDue(object: StoredObject): Promise<void> {
    if (this.#ports.time.nowMs() - object.stateMs < this.#ports.trashMs()) return;
    this.#counts.purged += 1;
    this.#counts.purged_bytes += object.sizeBytes;
    this.#note(object.address);
    if (this.#dryRun) return;
    await this.#blobs.purge(object.address);
    this.#ports.presence.onRemoved(object.address);
  }

  /** A bundle stored or named during the run holds its entries, also those that this run already took. */
  async #followTouched(): Promise<void> {
    for (const address of this.#touched) {
      this.#touched.delete(address);
      await this.#markFrom(address, (entry) => this.#restore(entry));
    }
  }

  async #markFrom(address: Address, onEntry?: (entry: Address) => Promise<void>): Promise<void> {
    if (onEntry === undefined) return await markFrom(this.#ports.reads, this.#marks, address, this.#pacer);
    const entries: Address[] = [];
    const onEdge = (_manifest: Address, entry: Address) => void entries.push(entry);
    await markFrom(this.#ports.reads, this.#marks, address, this.#pacer, { onEdge });
    for (const entry of entries) await onEntry(entry);
  }

  async #restore(address: Address): Promise<void> {
    if (this.#dryRun || this.#blobs.stat(address)?.state !== 'trash') return;
    await this.#blobs.setState(address, 'live', this.#ports.time.nowMs());
    this.#ports.presence.onStored(address);
  }

  #note(address: Address): void {
    if (this.#sample.length < sampleMax) this.#sample.push(address);
  }
}
