import { type Env, errorCode, type Metrics } from '@ron/kernel';
import { openOwnFolder } from '../store/own-folder.ts';
import { GroupIndex } from './group-index.ts';
import { type Dropped, entryOverheadBytes, type HeldGroup } from './ram-tier.ts';
import { type DiskEntry, Segment } from './segment.ts';

/** Of groups that wait to be written, with what each takes in RAM beside its content; what comes past it is not kept. */
const queueBytesMax = 8 * 1024 * 1024;
/** Of a new segment, for what was read in the one that it replaces: eviction always gives room for what is new. */
const reinsertedShare = 0.5;
const segmentBytesMin = 1024 * 1024;
const segmentBytesMax = 64 * 1024 * 1024;
/** Of the bound on entries, for one segment: what its end is for bytes, this is for groups that are small. */
const entriesShare = 1 / 16;
/** About 400 bytes of RAM each. */
const entriesMaxDefault = 1_000_000;

export interface DiskTierOptions {
  readonly env: Pick<Env, 'disk' | 'work'>;
  /** Its own: emptied at start. */
  readonly folder: string;
  /** Of all segments, at least 4 MiB. */
  readonly bytesMax: number;
  /** 1,000,000 by default, at least 32. */
  readonly entriesMax?: number;
  readonly metrics?: Metrics | undefined;
}

type Task =
  | { readonly kind: 'add'; readonly group: HeldGroup }
  | { readonly kind: 'erase'; readonly entry: DiskEntry }
  | { readonly kind: 'clear'; readonly segments: readonly Segment[] };

type Placed = Omit<DiskEntry, 'segment' | 'offsetBytes' | 'lengthBytes'>;

interface Item {
  readonly bytes: Uint8Array;
  readonly entry: Placed;
}

/**
 * Groups that left RAM after having been read at least twice, in append-only segments. Eviction takes the oldest
 * segment and writes what was read in it since again at the head: FIFO with reinsertion (CLOCK, Corbató 1968), which
 * Yang et al. (HotOS 2023) found as good as LRU without its writes. Nothing survives a restart: segments have no
 * headers and are never synced, a cache that lies about what it holds would be worse than one that is cold.
 *
 * What is read is checked by its digest; what does not match is dropped and fetched again. When the disk fails or is
 * full the tier ends, and reads go on without it.
 */
export class DiskTier implements AsyncDisposable {
  readonly bytesMax: number;
  readonly #options: DiskTierOptions;
  readonly #segmentBytes: number;
  readonly #entriesMax: number;
  readonly #segmentEntries: number;
  readonly #index = new GroupIndex();
  readonly #lock: AsyncDisposable;
  readonly #bad;
  readonly #dropped;
  #segments: Segment[] = [];
  #tasks: Task[] = [];
  #queuedBytes = 0;
  #number = 0;
  #pumping: Promise<void> | undefined;
  /** On their way to a segment, new or from an older one. What was purged meanwhile is in it no more. */
  readonly #inHand = new Set<Item>();
  #offBecause: string | undefined;
  /** Changes when everything is forgotten: what was begun before has no place any more. */
  #generation = 0;

  private constructor(options: DiskTierOptions, lock: AsyncDisposable) {
    this.#options = options;
    this.bytesMax = options.bytesMax;
    this.#segmentBytes = Math.min(Math.max(Math.floor(options.bytesMax / 16), segmentBytesMin), segmentBytesMax);
    this.#entriesMax = options.entriesMax ?? entriesMaxDefault;
    this.#segmentEntries = Math.max(2, Math.floor(this.#entriesMax * entriesShare));
    this.#lock = lock;
    const { metrics } = options;
    this.#bad = metrics?.counter('edge_disk_bad_total', 'Cached groups that had changed on disk').labels();
    this.#dropped = metrics?.counter('edge_disk_dropped_total', 'Groups that came faster than the disk').labels();
  }

  /** Rejects with `EBUSY` when another process has the folder, and with whatever else the disk says. */
  static async open(options: DiskTierOptions): Promise<DiskTier> {
    const { env, folder, bytesMax } = options;
    if (bytesMax < 4 * segmentBytesMin) throw new RangeError('a disk tier has at least 4 MiB');
    const lock = await openOwnFolder(env.disk, folder, (name) => name.endsWith('.groups'));
    return new DiskTier(options, lock);
  }

  /** Bytes of groups that can be read. */
  get bytes(): number {
    return this.#index.bytes;
  }

  /** Bytes of the files, which the budget counts. */
  get fileBytes(): number {
    return this.#segments.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
  }

  get entries(): number {
    return this.#index.entries;
  }

  get isOn(): boolean {
    return this.#offBecause === undefined;
  }

  /** A node without this tier serves as before, so it stays ready; the gate says that it is gone. */
  get gate(): { readonly gate: string; readonly ok: boolean; readonly reason?: string } {
    const reason = this.#offBecause;
    return reason === undefined ? { gate: 'disk-tier', ok: true } : { gate: 'disk-tier', ok: true, reason };
  }

  has(address: string, index: number): boolean {
    return this.#index.get(address, index) !== undefined;
  }

  read(address: string, index: number): HeldGroup | undefined {
    const entry = this.#index.get(address, index);
    if (entry === undefined) return undefined;
    const bytes = this.#bytesOf(entry);
    if (bytes === undefined) return undefined;
    entry.isRead = true;
    // It was read twice before, and is again.
    const { isWhole, sinceMs } = entry;
    return { kind: 'group', address, index, bytes, isWhole, sinceMs, reads: 2 };
  }

  add(group: HeldGroup): void {
    if (!this.isOn) return;
    const known = this.#index.get(group.address, group.index);
    if (known !== undefined) {
      known.isRead = true;
      return;
    }
    if (this.#queuedBytes + costOf(group) > queueBytesMax) {
      this.#dropped?.inc();
      return;
    }
    this.#queuedBytes += costOf(group);
    this.#queue({ kind: 'add', group });
  }

  /** Unreadable at once; the bytes on disk are overwritten soon after. */
  purge(address: string): Dropped {
    const before = { entries: this.entries, bytes: this.bytes };
    this.#tasks = this.#tasks.filter((task) => task.kind !== 'add' || task.group.address !== address);
    for (const item of this.#inHand) if (item.entry.address === address) this.#inHand.delete(item);
    for (const entry of this.#index.allOf(address)) {
      this.#index.forget(entry);
      this.#queue({ kind: 'erase', entry });
    }
    this.#recountQueue();
    return { entries: before.entries - this.entries, bytes: before.bytes - this.bytes };
  }

  purgeAll(): Dropped {
    const dropped = { entries: this.entries, bytes: this.bytes };
    const segments = this.#reset();
    this.#queue({ kind: 'clear', segments });
    return dropped;
  }

  /** Resolves when everything that was given has been written. */
  async settled(): Promise<void> {
    while (this.#pumping !== undefined) await this.#pumping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#offBecause ??= 'the cache has ended';
    const segments = this.#reset();
    await this.settled();
    await this.#remove([...segments, ...this.#reset()]);
    await this.#lock[Symbol.asyncDispose]();
  }

  #queue(task: Task): void {
    this.#tasks.push(task);
    this.#pumping ??= this.#pump();
  }

  async #pump(): Promise<void> {
    try {
      for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
        if (task.kind === 'clear') await this.#remove(task.segments);
        else if (task.kind === 'erase') await this.#erase(task.entry);
        else {
          this.#queuedBytes -= costOf(task.group);
          await this.#write(task.group);
        }
      }
    } catch (error) {
      this.#turnOff(error);
    } finally {
      this.#pumping = this.#tasks.length > 0 ? this.#pump() : undefined;
    }
  }

  async #write(group: HeldGroup): Promise<void> {
    if (!this.isOn || this.has(group.address, group.index)) return;
    const { address, index, bytes, isWhole, sinceMs } = group;
    const digest = this.#options.env.work.blake3(bytes);
    await this.#append({ bytes, entry: { address, index, isWhole, digest, sinceMs, isRead: false } });
  }

  async #append(item: Item): Promise<void> {
    this.#inHand.add(item);
    const segment = this.#roomFor(item) ?? (await this.#nextSegment());
    if (segment !== undefined) await this.#place(segment, item);
  }

  #roomFor({ bytes }: Item): Segment | undefined {
    const segment = this.#segments.at(-1);
    if (segment === undefined || segment.usedBytes + bytes.byteLength > this.#segmentBytes) return undefined;
    return segment.entries.size < this.#segmentEntries ? segment : undefined;
  }

  async #place(segment: Segment, item: Item): Promise<void> {
    if (!this.#inHand.has(item)) return;
    const { bytes, entry } = item;
    const placed = await segment.append(bytes, entry);
    if (!this.#segments.includes(segment)) return;
    if (!this.#inHand.delete(item)) {
      segment.entries.delete(placed);
      return await this.#erase(placed);
    }
    this.#index.add(placed);
  }

  /** Makes room first, so that the files never have more bytes than the budget. Undefined: everything was forgotten. */
  async #nextSegment(): Promise<Segment | undefined> {
    const { disk } = this.#options.env;
    const generation = this.#generation;
    const saved: Item[] = [];
    while (this.#isFull()) {
      const oldest = this.#segments.shift()!;
      await this.#save(oldest, saved);
      await oldest.remove(disk);
      if (generation !== this.#generation) return undefined;
    }
    this.#number += 1;
    const segment = await Segment.create(disk, this.#options.folder, this.#number);
    if (generation !== this.#generation) {
      await this.#remove([segment]);
      return undefined;
    }
    this.#segments.push(segment);
    for (const item of saved) await this.#place(segment, item);
    return generation === this.#generation ? segment : undefined;
  }

  /**
   * Takes out of a segment that goes what was read in it, as far as half of the next one stays free. This may be
   * megabytes, so each group is read without holding up the loop, and is there for its readers until then.
   */
  async #save(oldest: Segment, saved: Item[]): Promise<void> {
    let room = this.#segmentBytes * reinsertedShare - saved.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    const generation = this.#generation;
    for (const entry of oldest.entries) {
      if (generation !== this.#generation) return;
      const hasRoom = room >= entry.lengthBytes && saved.length < this.#segmentEntries * reinsertedShare;
      const bytes = entry.isRead && hasRoom ? await this.#bytesLaterOf(entry) : undefined;
      // Purged while it was read, or nothing that could be saved.
      const isLeft = bytes !== undefined && this.#index.get(entry.address, entry.index) === entry;
      this.#index.forget(entry);
      if (!isLeft) continue;
      room -= bytes.byteLength;
      const { address, index, isWhole, digest, sinceMs } = entry;
      const item = { bytes, entry: { address, index, isWhole, digest, sinceMs, isRead: false } };
      this.#inHand.add(item);
      saved.push(item);
    }
  }

  #isFull(): boolean {
    const { length } = this.#segments;
    if (length === 0) return false;
    if ((length + 1) * this.#segmentBytes > this.bytesMax) return true;
    return this.entries + this.#segmentEntries > this.#entriesMax;
  }

  async #erase({ segment, offsetBytes, lengthBytes }: DiskEntry): Promise<void> {
    if (this.#segments.includes(segment)) await segment.file.write([new Uint8Array(lengthBytes)], offsetBytes);
  }

  #bytesOf(entry: DiskEntry): Uint8Array | undefined {
    try {
      return this.#checked(entry, entry.segment.read(entry));
    } catch (error) {
      this.#turnOff(error);
      return undefined;
    }
  }

  async #bytesLaterOf(entry: DiskEntry): Promise<Uint8Array | undefined> {
    try {
      return this.#checked(entry, await entry.segment.readLater(entry));
    } catch (error) {
      this.#turnOff(error);
      return undefined;
    }
  }

  #checked(entry: DiskEntry, bytes: Uint8Array | undefined): Uint8Array | undefined {
    if (bytes !== undefined && isSame(this.#options.env.work.blake3(bytes), entry.digest)) return bytes;
    this.#bad?.inc();
    this.#index.forget(entry);
    return undefined;
  }

  #turnOff(thrown: unknown): void {
    const code = errorCode(thrown);
    // No failure of a disk, but a mistake of this program.
    if (code === undefined) throw thrown;
    this.#offBecause ??= `the disk tier is off: ${code}`;
    const segments = this.#reset();
    this.#queue({ kind: 'clear', segments });
  }

  /** Forgets everything; returns the segments that are to be removed. */
  #reset(): readonly Segment[] {
    const segments = this.#segments;
    this.#segments = [];
    this.#inHand.clear();
    this.#generation += 1;
    this.#tasks = this.#tasks.filter(({ kind }) => kind === 'clear');
    this.#index.clear();
    this.#queuedBytes = 0;
    return segments;
  }

  async #remove(segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) {
      // A disk that fails keeps its file; the next start removes it.
      await segment.remove(this.#options.env.disk).catch((error: unknown) => {
        if (errorCode(error) === undefined) throw error;
      });
    }
  }

  #recountQueue(): void {
    this.#queuedBytes = this.#tasks.reduce((sum, task) => sum + (task.kind === 'add' ? costOf(task.group) : 0), 0);
  }
}

function costOf({ bytes }: HeldGroup): number {
  return bytes.byteLength + entryOverheadBytes;
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && left.every((byte, index) => byte === right[index]);
}
