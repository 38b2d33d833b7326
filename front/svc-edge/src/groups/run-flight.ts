import type { Clock, Timer } from '@ron/kernel';
import type { HeldGroup } from '../tiers/ram-tier.ts';
import { Attempts, withinDeadline } from './attempts.ts';
import { ExactReader } from './exact-reader.ts';
import type { GroupMeters } from './meters.ts';
import type { ObjectProof } from './object-proof.ts';
import type { GroupSource } from './source.ts';

/** A flight that nobody asks anything of ends after this: who reads slowly begins another one. */
const idleMsMax = 5_000;

/** Who wants more than this ahead of where a flight is, 1 MiB, does not wait for it. */
const joinGroupsMax = 16;

export interface FlightPorts {
  readonly sources: readonly GroupSource[];
  readonly clock: Clock;
  readonly meters: GroupMeters;
  /** Served this object a moment ago. */
  readonly firstSource: GroupSource | undefined;
  /** Takes a verified group into the cache; `keep` false: only for those who wait for it. */
  admit(proof: ObjectProof, index: number, bytes: Uint8Array, keep: boolean): HeldGroup;
  /** It sent a group that verified. */
  served(proof: ObjectProof, source: GroupSource): void;
  ended(flight: RunFlight): void;
}

interface Stream {
  readonly reader: ExactReader;
  readonly end: AbortController;
}

type Waiter = PromiseWithResolvers<HeldGroup>;

/**
 * One request for neighbouring missing groups, for all who want some of them. Groups are taken from the source as they
 * are asked for and not before, so that a slow reader holds nothing but what it is sending; they are verified one by
 * one. It lives while somebody follows it, and goes to the next source where one fails.
 */
export class RunFlight {
  readonly proof: ObjectProof;
  readonly last: number;
  readonly #ports: FlightPorts;
  readonly #attempts: Attempts;
  readonly #waiters = new Map<number, Set<Waiter>>();
  readonly #stop = new AbortController();
  #stream: Stream | undefined;
  #next: number;
  /** The furthest group that anybody asked for. */
  #wanted = -1;
  #followers = 0;
  #pumping = false;
  #idle: Timer | undefined;
  #isOvertaken = false;

  constructor(proof: ObjectProof, first: number, last: number, ports: FlightPorts) {
    this.proof = proof;
    this.#next = first;
    this.last = last;
    this.#ports = ports;
    this.#attempts = new Attempts(ports.sources, ports.meters, ports.clock, ports.firstSource);
  }

  /** Whether this group is to come soon. */
  covers(index: number): boolean {
    if (this.#isOvertaken) return false;
    const ahead = index - this.#next;
    return ahead >= 0 && ahead < joinGroupsMax && index <= this.last && !this.#stop.signal.aborted;
  }

  /** A purge came: what is under way is handed out and not kept, and nobody else joins. */
  overtake(): void {
    this.#isOvertaken = true;
  }

  follow(): void {
    this.#followers += 1;
  }

  end(): void {
    this.#end(new Error('the flight is over'));
  }

  /** The last to leave ends it. */
  leave(): void {
    this.#followers -= 1;
    if (this.#followers === 0) this.#end(new Error('nobody reads this any more'));
  }

  /** Only for a group that is still to come. Also those before it are then fetched. */
  want(index: number, waiter: Waiter): void {
    const waiters = this.#waiters.get(index) ?? new Set();
    this.#waiters.set(index, waiters.add(waiter));
    this.#wanted = Math.max(this.#wanted, index);
    this.#idle?.cancel();
    void this.#pump();
  }

  unwant(index: number, waiter: Waiter): void {
    this.#waiters.get(index)?.delete(waiter);
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#next <= this.#wanted && !this.#stop.signal.aborted) {
        const index = this.#next;
        const bytes = await this.#fetch(index);
        this.#stop.signal.throwIfAborted();
        this.#next += 1;
        const group = this.#ports.admit(this.proof, index, bytes, !this.#isOvertaken);
        for (const waiter of this.#waiters.get(index) ?? []) waiter.resolve(group);
        this.#waiters.delete(index);
      }
    } catch (error) {
      this.#end(error);
      return;
    } finally {
      this.#pumping = false;
    }
    if (this.#next > this.last) this.#end(undefined);
    else this.#idle = this.#ports.clock.after(idleMsMax, () => this.end());
  }

  /** One verified group, from the first source that has it. */
  async #fetch(index: number): Promise<Uint8Array> {
    const { clock, meters } = this.#ports;
    for (;;) {
      const { source } = this.#attempts;
      if (source === undefined) throw this.#attempts.refusal;
      try {
        const bytes = await withinDeadline(clock, this.#stop.signal, (signal) => this.#take(source, index, signal));
        if (source.verifies !== true) this.proof.verify(index, bytes);
        this.#attempts.progressed();
        this.#ports.served(this.proof, source);
        meters.fetched(bytes.byteLength);
        return bytes;
      } catch (error) {
        this.#close();
        this.#stop.signal.throwIfAborted();
        this.#attempts.failed(error);
      }
    }
  }

  async #take(source: GroupSource, index: number, signal: AbortSignal): Promise<Uint8Array> {
    this.#stream ??= await this.#open(source, index, signal);
    return await this.#stream.reader.take(this.proof.groupLength(index));
  }

  /** Throws, and leaves nothing open, when the answer comes after `signal`: then another source may have been asked. */
  async #open(source: GroupSource, first: number, signal: AbortSignal): Promise<Stream> {
    const { address, sizeBytes } = this.proof;
    // Not the group's own signal: the stream goes on to the next group.
    const end = new AbortController();
    const giveUp = () => end.abort(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      const body = await source.groups({ address, sizeBytes, first, count: this.last - first + 1 }, end.signal);
      const reader = new ExactReader(body);
      if (signal.aborted) await reader.close();
      signal.throwIfAborted();
      return { reader, end };
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #end(reason: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(reason);
    this.#idle?.cancel();
    this.#close();
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.reject(reason);
    this.#waiters.clear();
    this.#ports.ended(this);
  }

  #close(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined) return;
    if (this.#next > this.last) {
      // What ends this, when the source does not, is the line's own bound on slowness.
      stream.reader.finish().catch(() => undefined);
      return;
    }
    stream.end.abort(new Error('no more of it is wanted'));
    // A stream that fails while it is being given up has nothing to say any more.
    stream.reader.close().catch(() => undefined);
  }
}
