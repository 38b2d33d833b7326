import type { File } from '@ron/kernel';
import { JournalError } from './errors.ts';
import { closeKind, encodeSegmentHeader, recordsStart, saltChecksum } from './format.ts';
import type {
  JournalDamage,
  JournalOptions,
  JournalVisitor,
  NewRecord,
  RecordLocation,
  RecordPlace,
  SegmentInfo,
} from './options.ts';
import { limitsOf } from './options.ts';
import { type Ground, recover, visitSegment, writeSegmentIndex } from './recovery.ts';
import { type Segment, SegmentSet } from './segments.ts';
import { Writer } from './writer.ts';

/** An append-only log of records in segment files. */
export interface Journal extends AsyncDisposable {
  /** Set once a write or sync failed: nothing can be appended any more, reading goes on. */
  readonly failed: JournalError | undefined;
  /** What was found, and put right or stepped over, at opening. */
  readonly damage: readonly JournalDamage[];
  /** Since it was opened: syncs of records, and their bytes, heads included. */
  readonly written: { readonly syncs: number; readonly bytes: number };
  /**
   * Resolves when the record is on stable storage. `kind` is 1 to 32 767; the pieces must not change until then.
   * Rejects with a `JournalError`. Records get their order from the order of the calls. `urgent` records may use the
   * space that is kept for the time when the disk is full.
   */
  append(
    kind: number,
    payload: readonly Uint8Array[],
    options?: { readonly urgent?: boolean },
  ): Promise<RecordLocation>;
  /**
   * Appends in this order, with one promise for all: it resolves when the last is on stable storage, and rejects when
   * any was refused (as `append` would), once the outcome of each is known; the others may then be there. `invalid` and
   * `busy` refuse all before anything is written. More than `batchBytesMax` goes in several writes, in order.
   */
  appendAll(records: readonly NewRecord[], options?: { readonly urgent?: boolean }): Promise<readonly RecordLocation[]>;
  /**
   * Whether records of that many bytes in all (`recordBytes` of each) have their disk space now, behind everything that
   * waits. After true, and with nothing appended in between, that append is not refused as `full` or `busy`, whatever
   * happens to the disk's free space. `urgent` counts the reserve as space, and is for urgent records only.
   */
  room(bytes: number, urgent?: boolean): boolean;
  /**
   * Takes disk space, in a new segment if need be, so that `room(bytes)` holds when it resolves; ask again, others may
   * have appended since. At most `segmentBytes` less 64, else `invalid`. Rejects with `full`, the records untouched,
   * when the disk has no room.
   */
  makeRoom(bytes: number): Promise<void>;
  /** The payload, its checksum verified; without waiting where the segment is open and the record under 128 KiB. */
  read(place: RecordPlace): Uint8Array | Promise<Uint8Array>;
  /** All records that were there when it was called. Waits for asynchronous visitors. */
  replay(visit: JournalVisitor): Promise<void>;
  /** The records of one segment, payloads whole. */
  replaySegment(segment: number, visit: JournalVisitor): Promise<void>;
  segments(): readonly SegmentInfo[];
  /** Seals the segment being written, so that it can be dropped. */
  rotate(): Promise<void>;
  /** Gives a sealed segment's space back; resolves when it cannot return after a crash. */
  dropSegment(segment: number): Promise<void>;
}

/** Opens or makes the journal in `folder`. Rejects when the folder holds something else under a segment's name. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const limits = limitsOf(options);
  const { env, folder, keptBytes } = options;
  await env.disk.makeDirectory(folder);
  const segments = new SegmentSet(env.disk, folder, limits.openSegmentsMax);
  const ground = { disk: env.disk, folder, limits, keptBytes, segments };
  try {
    const recovered = await recover(ground, options.visit);
    const journal = new SegmentedJournal(options, ground, recovered);
    await journal.begin(recovered.last, recovered.unindexed);
    return journal;
  } catch (error) {
    await segments.close();
    throw error;
  }
}

class SegmentedJournal implements Journal {
  readonly damage: readonly JournalDamage[];
  readonly #ground: Ground;
  readonly #options: JournalOptions;
  readonly #writer: Writer;
  #active: { readonly segment: Segment; preallocatedBytes: number } | undefined;
  #nextSegment: number;
  #nextSequence: number;
  #dirty: boolean;
  #closed = false;
  /** Index files are written one after the other, behind the appends. */
  #indexing: Promise<void> = Promise.resolve();

  constructor(
    options: JournalOptions,
    ground: Ground,
    found: {
      readonly damage: readonly JournalDamage[];
      readonly nextSegment: number;
      readonly nextSequence: number;
      readonly lastIsClosed: boolean;
    },
  ) {
    this.#options = options;
    this.#ground = ground;
    this.damage = found.damage;
    this.#nextSegment = found.nextSegment;
    this.#nextSequence = found.nextSequence;
    this.#dirty = !found.lastIsClosed;
    const host = {
      limits: ground.limits,
      active: () => this.#requireActive(),
      rotate: (nextSequence: number) => this.#rotate(nextSequence),
      failed: (reason: JournalError) => options.onFailed?.(reason),
    };
    this.#writer = new Writer(host, found.nextSequence);
  }

  async begin(last: Segment | undefined, unindexed: readonly Segment[]): Promise<void> {
    for (const segment of unindexed) this.#index(segment);
    if (last?.file === undefined) this.#active = await this.#create(this.#nextSequence);
    else this.#active = { segment: last, preallocatedBytes: await last.file.size() };
  }

  get failed(): JournalError | undefined {
    return this.#writer.failed;
  }

  get written(): { readonly syncs: number; readonly bytes: number } {
    return { ...this.#writer.written };
  }

  append(kind: number, payload: readonly Uint8Array[], options?: { urgent?: boolean }): Promise<RecordLocation> {
    return this.appendAll([{ kind, payload }], options).then((locations) => locations[0] as RecordLocation);
  }

  appendAll(records: readonly NewRecord[], options?: { urgent?: boolean }): Promise<readonly RecordLocation[]> {
    if (this.#closed) return Promise.reject(closed());
    if (records.some(({ kind }) => kind === closeKind))
      return Promise.reject(new JournalError('invalid', 'kind 0 is taken'));
    if (records.length > 0) this.#dirty = true;
    return this.#writer.append(records, options?.urgent ?? false);
  }

  room(bytes: number, urgent = false): boolean {
    return !this.#closed && this.#writer.room(bytes, urgent);
  }

  makeRoom(bytes: number): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    const bytesMax = this.#ground.limits.segmentBytes - recordsStart;
    if (!(bytes <= bytesMax))
      return Promise.reject(new JournalError('invalid', `a segment has room for ${bytesMax} bytes`));
    return this.#writer.makeRoom(bytes);
  }

  read(place: RecordPlace): Uint8Array | Promise<Uint8Array> {
    return this.#ground.segments.read(place);
  }

  async replay(visit: JournalVisitor): Promise<void> {
    for (const { segment } of this.segments()) {
      const found = this.#ground.segments.get(segment);
      if (found !== undefined) await visitSegment(this.#ground, found, !found.sealed, visit);
    }
  }

  async replaySegment(segment: number, visit: JournalVisitor): Promise<void> {
    const found = this.#ground.segments.get(segment);
    if (found === undefined) throw new JournalError('unknown', `there is no segment ${segment}`);
    await visitSegment(this.#ground, found, true, visit);
  }

  segments(): readonly SegmentInfo[] {
    return [...this.#ground.segments.all()].map(({ id, endBytes, sealed }) => ({
      segment: id,
      bytes: endBytes,
      sealed,
    }));
  }

  rotate(): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    return this.#writer.exclusive((nextSequence) => this.#rotate(nextSequence));
  }

  async dropSegment(segment: number): Promise<void> {
    // An index that is being written would come back alone.
    await this.#indexing;
    await this.#ground.segments.drop(segment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writer.idle();
    if (this.#dirty && this.failed === undefined) {
      // Tells the next start that what lies before was whole: damage at the very end is then no torn write.
      await this.#writer.append([{ kind: closeKind, payload: [] }], true).catch(() => undefined);
      await this.#writer.idle();
    }
    await this.#indexing;
    await this.#ground.segments.close();
  }

  #requireActive() {
    if (this.#active === undefined) throw new JournalError('closed', 'the journal is not open');
    return this.#active;
  }

  async #rotate(nextSequence: number): Promise<void> {
    const { segment, preallocatedBytes } = this.#requireActive();
    const next = await this.#create(nextSequence);
    this.#active = next;
    if (preallocatedBytes > segment.endBytes) await segment.file?.truncate(segment.endBytes);
    await this.#ground.segments.seal(segment);
    this.#index(segment);
  }

  /** A segment appears under its name only when it is whole. */
  async #create(firstSequence: number): Promise<{ readonly segment: Segment; preallocatedBytes: number }> {
    const { disk, folder, limits, segments } = this.#ground;
    const id = this.#nextSegment;
    const salt = this.#options.env.random.bytes(8);
    const temporary = segments.path(id, 'new');
    let file: File | undefined;
    try {
      await disk.remove(temporary);
      file = await disk.open(temporary, 'create');
      await file.preallocate(limits.preallocateBytes);
      await file.write([encodeSegmentHeader({ segment: id, salt, firstSequence })], 0);
      await file.sync();
      await disk.rename(temporary, segments.path(id, 'log'));
      await disk.syncDirectory(folder);
    } catch (error) {
      await file?.close();
      await disk.remove(temporary).catch(() => undefined);
      throw error;
    }
    this.#nextSegment = id + 1;
    const salted = saltChecksum(salt);
    const segment: Segment = { id, salt, salted, firstSequence, endBytes: recordsStart, sealed: false, file, users: 0 };
    segments.add(segment);
    return { segment, preallocatedBytes: limits.preallocateBytes };
  }

  #index(segment: Segment): void {
    if (this.#ground.keptBytes === undefined) return;
    this.#indexing = this.#indexing.then(async () => {
      // Only a start that is slower: a full disk must not stop the journal here.
      if (this.failed === undefined) await writeSegmentIndex(this.#ground, segment).catch(() => false);
    });
  }
}

function closed(): JournalError {
  return new JournalError('closed', 'the journal is closed');
}
