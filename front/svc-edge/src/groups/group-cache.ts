import { groupsForRange } from '@ron/b3';
import type { Env, Metrics } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import { ResidentBody } from '@ron/proto/stream';
import type { DiskTier } from '../tiers/disk-tier.ts';
import { type Dropped, type HeldGroup, RamTier } from '../tiers/ram-tier.ts';
import { Attempts } from './attempts.ts';
import { FetchGate } from './fetch-gate.ts';
import { JoinedTask } from './joined-task.ts';
import { createGroupMeters, type GroupCounts, type GroupMeters } from './meters.ts';
import { MissMemory, missMsDefault } from './miss-memory.ts';
import { groupBytes, ObjectProof } from './object-proof.ts';
import { type ProvingPorts, proveObject } from './prove-object.ts';
import { RunFlight } from './run-flight.ts';
import type { GroupSource } from './source.ts';
import { SpanReader } from './span-reader.ts';

/** Groups of one request to a source: 16 MiB. They are taken as they are asked for, so this costs no memory. */
export const runGroupsMax = 256;

/** Less would push out what a reader is about to take. */
export const bytesMin = 4 * 1024 * 1024;

export interface GroupCacheOptions {
  readonly env: Pick<Env, 'clock' | 'work'>;
  /** Asked in this order. */
  readonly sources: readonly GroupSource[];
  /** Of the RAM tier: groups, outboards and what it costs to find them. */
  readonly bytesMax: number;
  readonly disk?: DiskTier | undefined;
  /** Milliseconds for which `not_found` is remembered: 2,000 by default. */
  readonly missMs?: number;
  readonly metrics?: Metrics | undefined;
  /** Its own by default. */
  readonly gate?: FetchGate;
  /** Proofs that somebody else has, of addresses that a source has answered for. None by default. */
  readonly proofOf?: (address: string) => ObjectProof | undefined;
  /** Called with each proof that was fetched. */
  readonly onProof?: (proof: ObjectProof) => void;
}

interface Proven {
  readonly proof: ObjectProof;
  /** What came with it: in RAM, unless a purge overtook it. */
  readonly groups: ReadonlyMap<number, HeldGroup>;
}

const noGroups: ReadonlyMap<number, HeldGroup> = new Map();

interface Proving {
  readonly task: JoinedTask<Proven>;
  isOvertaken: boolean;
}

/** Part of an object; without `length`, to the end. */
export interface Span {
  readonly start: number;
  readonly length?: number | undefined;
}

export interface OpenedSpan {
  readonly sizeBytes: number;
  readonly start: number;
  readonly length: number;
  readonly body: ByteStream;
  /** The first group was here already. */
  readonly hit: boolean;
  /** Milliseconds since the first group came from its source. */
  readonly ageMs: number;
}

/**
 * Objects by their verified groups: from RAM, from disk, or from a source, where each is checked before it is kept or
 * handed out. Immutable, so nothing is ever validated again. Many readers of what is missing make one request.
 */
export class GroupCache implements AsyncDisposable {
  readonly ram: RamTier;
  readonly disk: DiskTier | undefined;
  readonly #options: GroupCacheOptions;
  readonly #meters: GroupMeters;
  readonly #gate: FetchGate;
  readonly #proving = new Map<string, Proving>();
  /** Who last sent what verified. */
  readonly #served = new WeakMap<ObjectProof, GroupSource>();
  readonly #flights = new Map<string, Set<RunFlight>>();
  readonly #misses: MissMemory;

  constructor(options: GroupCacheOptions) {
    if (options.bytesMax < bytesMin) throw new RangeError(`a cache of groups has at least ${bytesMin} bytes`);
    this.#options = options;
    this.#gate = options.gate ?? new FetchGate();
    this.#meters = createGroupMeters(options.metrics);
    this.#misses = new MissMemory(options.env.clock, options.missMs ?? missMsDefault);
    this.disk = options.disk;
    this.ram = new RamTier({
      bytesMax: options.bytesMax,
      onEvict: (group) => {
        // What was read once only would push out what is worth its place.
        if (group.reads >= 2) this.disk?.add(group);
      },
    });
  }

  get counts(): Readonly<GroupCounts> {
    return this.#meters.counts;
  }

  /** A span inside one group that is in RAM, at once. Throws `range_not_satisfiable`. */
  peek(address: string, span: Span): OpenedSpan | undefined {
    const small = this.ram.small(address);
    if (small !== undefined) {
      this.#meters.hit('ram');
      return this.#resident(small, small.bytes.byteLength, cut(small.bytes.byteLength, span));
    }
    const proof = this.ram.proof(address);
    if (proof === undefined || !proof.sizeProven) return undefined;
    const { start, length } = cut(proof.sizeBytes, span);
    const index = Math.floor(start / groupBytes);
    if (length === 0 || Math.floor((start + length - 1) / groupBytes) !== index) return undefined;
    const group = this.ram.group(address, index);
    if (group === undefined) return undefined;
    this.#meters.hit('ram');
    return this.#resident(group, proof.sizeBytes, { start, length });
  }

  /**
   * Resolves with the first verified group in hand: what fails before is a refusal (`not_found`, `integrity`,
   * `unavailable`, `range_not_satisfiable`), what fails later breaks the body off. `signal` is its reader's.
   */
  async open(address: string, span: Span, signal?: AbortSignal): Promise<OpenedSpan> {
    const at = this.peek(address, span);
    if (at !== undefined) return at;
    const isKnown = this.ram.proof(address)?.sizeProven === true;
    const { proof, groups } = await this.#provenOf(address, signal, span.start < groupBytes);
    const { start, length } = cut(proof.sizeBytes, span);
    const { first, last } = groupsForRange(proof.sizeBytes, start, length);
    const reader = new SpanReader(this, proof, last, signal);
    try {
      // What came with the proof is no hit.
      const held = isKnown ? this.held(address, first) : (this.ram.group(address, first) ?? groups.get(first));
      const group = held ?? (await reader.group(first));
      const resident = this.#resident(group, proof.sizeBytes, { start, length });
      const hit = isKnown && held !== undefined;
      if (first === last) {
        reader.leave();
        return { ...resident, hit };
      }
      return { ...resident, hit, body: reader.stream(group, start, length) };
    } catch (error) {
      reader.leave();
      throw error;
    }
  }

  /** What proves the groups of an object, its size included. `wantsFirst`: its first group will be read next. */
  async proof(address: string, signal?: AbortSignal): Promise<ObjectProof> {
    return (await this.#provenOf(address, signal, false)).proof;
  }

  /**
   * Whether a question about the object, its bytes aside, is answered without a source; with the milliseconds since its
   * first group came, where that is in RAM. Counts as no read.
   */
  knows(address: string): { readonly ageMs?: number } | undefined {
    if (!this.ram.hasSize(address) && !this.#misses.has(address)) return undefined;
    const first = this.ram.peek(address, 0);
    return first === undefined ? {} : { ageMs: this.#options.env.clock.monotonicMs() - first.sinceMs };
  }

  /** A group in one of the tiers. */
  held(address: string, index: number): HeldGroup | undefined {
    const inRam = this.ram.group(address, index);
    if (inRam !== undefined) {
      this.#meters.hit('ram');
      return inRam;
    }
    const onDisk = this.disk?.read(address, index);
    if (onDisk === undefined) return undefined;
    this.#meters.hit('disk');
    this.ram.addGroup(onDisk);
    return onDisk;
  }

  missed(): void {
    this.#meters.miss();
  }

  /** A flight that will bring this group: one under way, or a new one up to `last`, or to what is here or coming. */
  flightFor(proof: ObjectProof, index: number, last: number): RunFlight {
    const { address } = proof;
    const flights = this.#flights.get(address) ?? new Set();
    for (const flight of flights) if (flight.covers(index)) return flight;
    let end = index;
    const bound = Math.min(last, index + runGroupsMax - 1);
    while (end < bound && !this.#isComing(flights, address, end + 1)) end += 1;
    const { clock } = this.#options.env;
    const flight = new RunFlight(proof, index, end, {
      sources: this.#options.sources,
      clock,
      meters: this.#meters,
      firstSource: this.#served.get(proof),
      admit: (of, at, bytes, keep) => this.#admit(of, at, bytes, keep),
      served: (of, source) => this.#served.set(of, source),
      ended: (ended) => this.#flightEnded(ended),
    });
    this.#flights.set(address, flights.add(flight));
    return flight;
  }

  /** Takes in a group that was verified. */
  admit(proof: ObjectProof, index: number, bytes: Uint8Array): HeldGroup {
    return this.#admit(proof, index, bytes, true);
  }

  #admit(proof: ObjectProof, index: number, bytes: Uint8Array, keep: boolean): HeldGroup {
    const sinceMs = this.#options.env.clock.monotonicMs();
    const isWhole = proof.groupCount === 1;
    const group: HeldGroup = { kind: 'group', address: proof.address, index, bytes, isWhole, sinceMs, reads: 0 };
    if (keep) this.ram.addGroup(group);
    return group;
  }

  /** Undefined: all. What is being fetched at this moment goes to those who wait for it and is not kept. */
  purge(address: string | undefined): Dropped {
    for (const [at, proving] of this.#proving) {
      if (address !== undefined && at !== address) continue;
      proving.isOvertaken = true;
      this.#proving.delete(at);
    }
    for (const [at, flights] of this.#flights) {
      if (address === undefined || at === address) for (const flight of flights) flight.overtake();
    }
    this.#misses.forget(address);
    const inRam = address === undefined ? this.ram.purgeAll() : this.ram.purge(address);
    const onDisk = address === undefined ? this.disk?.purgeAll() : this.disk?.purge(address);
    return { entries: inRam.entries + (onDisk?.entries ?? 0), bytes: inRam.bytes + (onDisk?.bytes ?? 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flights of this.#flights.values()) for (const flight of [...flights]) flight.end();
    this.ram.purgeAll();
    await this.disk?.[Symbol.asyncDispose]();
  }

  #isComing(flights: ReadonlySet<RunFlight>, address: string, index: number): boolean {
    if (this.ram.has(address, index) || this.disk?.has(address, index) === true) return true;
    for (const flight of flights) if (flight.covers(index)) return true;
    return false;
  }

  #flightEnded(flight: RunFlight): void {
    const { address } = flight.proof;
    const flights = this.#flights.get(address);
    flights?.delete(flight);
    if (flights?.size === 0) this.#flights.delete(address);
  }

  async #provenOf(address: string, signal: AbortSignal | undefined, wantsFirst: boolean): Promise<Proven> {
    const { work } = this.#options.env;
    const small = this.ram.small(address);
    if (small !== undefined) {
      return { proof: new ObjectProof(address, small.bytes.byteLength, undefined, work), groups: noGroups };
    }
    const known = this.ram.proof(address);
    if (known?.sizeProven) return { proof: known, groups: noGroups };
    this.#misses.check(address);
    const underWay = this.#proving.get(address);
    if (underWay?.task.alive === true) return await underWay.task.wait(signal);
    const end = this.#gate.begin();
    const proving: Proving = {
      isOvertaken: false,
      task: new JoinedTask((ending) =>
        this.#prove(address, wantsFirst, ending, () => proving.isOvertaken).finally(() => {
          end();
          if (this.#proving.get(address) === proving) this.#proving.delete(address);
        }),
      ),
    };
    this.#proving.set(address, proving);
    return await proving.task.wait(signal);
  }

  async #prove(address: string, wantsFirst: boolean, signal: AbortSignal, isOvertaken: () => boolean): Promise<Proven> {
    const { sources, env, proofOf = () => undefined, onProof } = this.#options;
    const attempts = new Attempts(sources, this.#meters, env.clock);
    const ports: ProvingPorts = {
      env,
      gate: this.#gate,
      proofOf,
      held: (of, index) => (this.ram.peek(of, index) ?? this.disk?.read(of, index))?.bytes,
    };
    try {
      const { proof, groups } = await attempts.first(signal, (source, bounded) =>
        proveObject(source, address, wantsFirst, ports, bounded),
      );
      const keep = !isOvertaken();
      const held = new Map<number, HeldGroup>();
      for (const [index, bytes] of groups) {
        this.#meters.miss();
        this.#meters.fetched(bytes.byteLength);
        held.set(index, this.#admit(proof, index, bytes, keep));
      }
      if (attempts.source !== undefined) this.#served.set(proof, attempts.source);
      if (keep) this.ram.addProof(proof);
      if (keep) onProof?.(proof);
      return { proof, groups: held };
    } catch (error) {
      if (error instanceof RonError && error.code === 'not_found' && !isOvertaken()) this.#misses.add(address);
      throw error;
    }
  }

  #resident(group: HeldGroup, sizeBytes: number, { start, length }: { start: number; length: number }): OpenedSpan {
    const from = start - group.index * groupBytes;
    const whole = from === 0 && length === group.bytes.byteLength;
    return {
      sizeBytes,
      start,
      length,
      hit: true,
      ageMs: this.#options.env.clock.monotonicMs() - group.sinceMs,
      body: new ResidentBody(whole ? group.bytes : group.bytes.subarray(from, from + length)),
    };
  }
}

/** What of a span exists; a start that is not inside is refused, except 0 of nothing. */
function cut(sizeBytes: number, { start, length = Number.MAX_SAFE_INTEGER }: Span): { start: number; length: number } {
  if (start > 0 && start >= sizeBytes) {
    throw new RonError('range_not_satisfiable', 'the range begins past the end', { details: { size: sizeBytes } });
  }
  return { start, length: Math.min(length, sizeBytes - start) };
}
