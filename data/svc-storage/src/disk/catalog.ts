import type { RecordPlace } from '@ron/journal';
import type { Address } from '@ron/naming';
import type { StoredObject } from '../engine.ts';
import type { ObjectState, StateChange, StorageRecord } from './records.ts';

/** Bytes that the journal adds to each payload. */
const recordHeadBytes = 18;

interface Pin {
  readonly stamp: number;
  readonly segment: number;
  readonly bytes: number;
}

/** One object, as the engine knows it without the disk. */
export class CatalogEntry {
  readonly address: Address;
  readonly generation: number;
  sizeBytes = 0;
  createdMs = 0;
  state: ObjectState = 'live';
  stateMs = 0;
  stateStamp = 0;
  small = false;
  /** Its record. */
  segment = 0;
  offsetBytes = 0;
  payloadBytes = 0;
  /** The record of its state, when that is another one. */
  stateSegment = 0;
  stateBytes = 0;
  pins: Map<string, Pin> | undefined;

  constructor(address: Address, generation: number) {
    this.address = address;
    this.generation = generation;
  }

  /** As of now; the caller may keep it. */
  get info(): StoredObject {
    const { address, sizeBytes, createdMs, state, stateMs } = this;
    return { address, sizeBytes, createdMs, state, stateMs };
  }

  get place(): RecordPlace {
    return { segment: this.segment, offsetBytes: this.offsetBytes, payloadBytes: this.payloadBytes };
  }
}

export function isTombstone(record: StorageRecord): boolean {
  return record.kind === 'purge' || (record.kind === 'pin' && !record.pinned);
}

/** All objects in RAM: the meaning of the journal, kept by applying its records in order. */
export class Catalog {
  bytes = 0;
  trashObjects = 0;
  trashBytes = 0;
  quarantined = 0;
  #lastStamp = 0;
  readonly #entries = new Map<Address, CatalogEntry>();
  /** Bytes of records that are still needed, by segment. */
  readonly #needed = new Map<number, number>();
  /** Bytes of records that keep older ones from coming back, by segment. */
  readonly #tombstones = new Map<number, number>();
  /** During replay: changes of objects whose own record compaction has moved behind them. */
  #early: Map<Address, CatalogEntry> | undefined = new Map();

  get objects(): number {
    return this.#entries.size;
  }

  get(address: Address): CatalogEntry | undefined {
    return this.#entries.get(address);
  }

  entries(): IterableIterator<CatalogEntry> {
    return this.#entries.values();
  }

  neededBytes(segment: number): number {
    return this.#needed.get(segment) ?? 0;
  }

  /** What a segment holds against records in older segments: needed as long as there are older segments. */
  tombstoneBytes(segment: number): number {
    return this.#tombstones.get(segment) ?? 0;
  }

  forgetSegment(segment: number): void {
    this.#needed.delete(segment);
    this.#tombstones.delete(segment);
  }

  /** A number above all that are in use. */
  nextStamp(): number {
    this.#lastStamp += 1;
    return this.#lastStamp;
  }

  /** Applies a record that is on the disk at `place`. Older ones than what is known change nothing. */
  apply(record: StorageRecord, place: RecordPlace): void {
    this.#lastStamp = Math.max(this.#lastStamp, record.generation);
    if (isTombstone(record)) {
      const bytes = place.payloadBytes + recordHeadBytes;
      this.#tombstones.set(place.segment, this.tombstoneBytes(place.segment) + bytes);
    }
    if (record.kind === 'small' || record.kind === 'large') {
      this.#applyStored(record, place);
      return;
    }
    const entry = this.#subject(record);
    if (record.kind === 'purge' && entry !== undefined) this.#remove(entry);
    else if (record.kind === 'state') this.#applyState(entry, record, place);
    else if (record.kind === 'pin') this.#applyPin(entry, record, place);
  }

  /** The end of the replay: what waited for an object that did not come belongs to one that was purged. */
  settle(): void {
    for (const entry of this.#early?.values() ?? []) this.#needAll(entry, -1);
    this.#early = undefined;
  }

  /** Whether the record at `place` is what the catalogue goes by; a purge never is. */
  isNeeded(record: StorageRecord, place: RecordPlace): boolean {
    const entry = this.#entries.get(record.address);
    if (entry === undefined || entry.generation !== record.generation) return false;
    switch (record.kind) {
      case 'small':
      case 'large':
        return entry.segment === place.segment && entry.offsetBytes === place.offsetBytes;
      case 'state':
        return entry.stateStamp === record.stateStamp && entry.stateSegment === place.segment && entry.stateBytes > 0;
      case 'pin':
        return record.pinned && entry.pins?.get(record.holder)?.stamp === record.stamp;
      default:
        return false;
    }
  }

  /** Shows a change before it is on the disk; the record with the returned stamp makes it last. */
  setState(entry: CatalogEntry, state: ObjectState, stateMs: number): StateChange {
    const change = { state, stateMs, stateStamp: this.nextStamp() };
    this.#tally(entry, -1);
    Object.assign(entry, change);
    this.#tally(entry, 1);
    return change;
  }

  /** Takes an object out of sight before its purge is on the disk. */
  remove(entry: CatalogEntry): void {
    if (this.#entries.get(entry.address) === entry) this.#remove(entry);
  }

  /** Undoes `remove` when the purge could not be written. */
  restore(entry: CatalogEntry): void {
    if (this.#entries.has(entry.address)) return;
    this.#entries.set(entry.address, entry);
    this.#tally(entry, 1);
    this.#needAll(entry, 1);
  }

  #applyStored(record: Extract<StorageRecord, { kind: 'small' | 'large' }>, place: RecordPlace): void {
    this.#lastStamp = Math.max(this.#lastStamp, record.stateStamp);
    const known = this.#entries.get(record.address);
    if (known !== undefined && known.generation > record.generation) return;
    if (known !== undefined && known.generation < record.generation) this.#remove(known);
    let entry = known?.generation === record.generation ? known : undefined;
    if (entry === undefined) {
      entry = this.#takeEarly(record) ?? new CatalogEntry(record.address, record.generation);
      entry.sizeBytes = record.sizeBytes;
      entry.createdMs = record.createdMs;
      this.#entries.set(record.address, entry);
    } else {
      this.#tally(entry, -1);
      this.#need(entry.segment, -(entry.payloadBytes + recordHeadBytes));
    }
    entry.small = record.kind === 'small';
    entry.segment = place.segment;
    entry.offsetBytes = place.offsetBytes;
    entry.payloadBytes = place.payloadBytes;
    this.#need(place.segment, place.payloadBytes + recordHeadBytes);
    if (record.stateStamp >= entry.stateStamp) {
      this.#need(entry.stateSegment, -entry.stateBytes);
      entry.stateBytes = 0;
      entry.stateSegment = 0;
      entry.state = record.state;
      entry.stateMs = record.stateMs;
      entry.stateStamp = record.stateStamp;
    }
    this.#tally(entry, 1);
  }

  /** The object that a change is about, if it is of the same generation. */
  #subject(record: StorageRecord): CatalogEntry | undefined {
    const { address, generation } = record;
    const entry = this.#entries.get(address);
    if (entry !== undefined && entry.generation >= generation)
      return entry.generation === generation ? entry : undefined;
    const waiting = this.#early?.get(address);
    if (waiting !== undefined && waiting.generation >= generation) {
      return waiting.generation === generation ? waiting : undefined;
    }
    if (this.#early === undefined || record.kind === 'purge') return undefined;
    if (waiting !== undefined) this.#needAll(waiting, -1);
    const early = new CatalogEntry(address, generation);
    this.#early.set(address, early);
    return early;
  }

  #takeEarly({ address, generation }: StorageRecord): CatalogEntry | undefined {
    const waiting = this.#early?.get(address);
    if (waiting?.generation !== generation) return undefined;
    this.#early?.delete(address);
    return waiting;
  }

  #applyState(
    entry: CatalogEntry | undefined,
    record: Extract<StorageRecord, { kind: 'state' }>,
    place: RecordPlace,
  ): void {
    this.#lastStamp = Math.max(this.#lastStamp, record.stateStamp);
    if (entry === undefined) return;
    // Equal stamps: the record of a change that is in memory already, or a copy that compaction made.
    if (record.stateStamp < entry.stateStamp) return;
    this.#need(entry.stateSegment, -entry.stateBytes);
    this.#tally(entry, -1);
    entry.state = record.state;
    entry.stateMs = record.stateMs;
    entry.stateStamp = record.stateStamp;
    entry.stateSegment = place.segment;
    entry.stateBytes = place.payloadBytes + recordHeadBytes;
    this.#need(entry.stateSegment, entry.stateBytes);
    this.#tally(entry, 1);
  }

  #applyPin(
    entry: CatalogEntry | undefined,
    record: Extract<StorageRecord, { kind: 'pin' }>,
    place: RecordPlace,
  ): void {
    this.#lastStamp = Math.max(this.#lastStamp, record.stamp);
    if (entry === undefined) return;
    const known = entry.pins?.get(record.holder);
    if (known !== undefined) {
      if (known.stamp > record.stamp) return;
      this.#need(known.segment, -known.bytes);
      entry.pins?.delete(record.holder);
    }
    if (!record.pinned) return;
    const bytes = place.payloadBytes + recordHeadBytes;
    entry.pins ??= new Map();
    entry.pins.set(record.holder, { stamp: record.stamp, segment: place.segment, bytes });
    this.#need(place.segment, bytes);
  }

  #remove(entry: CatalogEntry): void {
    this.#needAll(entry, -1);
    if (this.#early?.get(entry.address) === entry) this.#early.delete(entry.address);
    if (this.#entries.get(entry.address) !== entry) return;
    this.#tally(entry, -1);
    this.#entries.delete(entry.address);
  }

  #needAll(entry: CatalogEntry, sign: 1 | -1): void {
    if (entry.payloadBytes > 0) this.#need(entry.segment, sign * (entry.payloadBytes + recordHeadBytes));
    this.#need(entry.stateSegment, sign * entry.stateBytes);
    for (const { segment, bytes } of entry.pins?.values() ?? []) this.#need(segment, sign * bytes);
  }

  #need(segment: number, bytes: number): void {
    if (bytes !== 0) this.#needed.set(segment, (this.#needed.get(segment) ?? 0) + bytes);
  }

  #tally(entry: CatalogEntry, sign: 1 | -1): void {
    // One that waits for its object's record does not count.
    if (entry.payloadBytes === 0) return;
    this.bytes += sign * entry.sizeBytes;
    if (entry.state === 'quarantined') this.quarantined += sign;
    if (entry.state !== 'trash') return;
    this.trashObjects += sign;
    this.trashBytes += sign * entry.sizeBytes;
  }
}
