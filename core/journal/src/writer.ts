import type { File } from '@ron/kernel';
import { codeOf, JournalError } from './errors.ts';
import { batchStartFlag, encodeRecordHead, kindMax, recordHeadBytes, recordsStart } from './format.ts';
import type { Limits, NewRecord, RecordLocation } from './options.ts';
import type { Segment } from './segments.ts';
import { bytesOf, Group, lengthOf, type Waiting } from './waiting.ts';

/** Pieces below this are copied together: one system call for many of them costs less than the copy. */
const copyBytesMax = 16_384;
const keptScratchBytes = 1024 * 1024;
/** From here on a batch extends the file itself. */
const directBytesMin = 128 * 1024;
/** Written over and over where bytes have to go. */
const zeros = new Uint8Array(65_536);

export interface WriterHost {
  readonly limits: Limits;
  /** The segment being written, and how far its space is reserved. */
  active(): { readonly segment: Segment; preallocatedBytes: number };
  /** Seals the active segment and begins the next, whose first record will have this sequence or a later one. */
  rotate(nextSequence: number): Promise<void>;
  failed(reason: JournalError): void;
}

/** Group commit: one write and one sync for whatever gathered while the previous sync ran. */
export class Writer {
  readonly #host: WriterHost;
  #nextSequence: number;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  /** Of the batch that is being written. */
  #takenBytes = 0;
  /** Something else than a batch is at work on the segment. */
  #exclusive = false;
  #running: Promise<void> | undefined;
  #scratch = Buffer.alloc(0);
  failed: JournalError | undefined;
  readonly written = { syncs: 0, bytes: 0 };

  constructor(host: WriterHost, nextSequence: number) {
    this.#host = host;
    this.#nextSequence = nextSequence;
  }

  append(records: readonly NewRecord[], urgent: boolean): Promise<readonly RecordLocation[]> {
    if (this.failed !== undefined) return Promise.reject(this.failed);
    const { recordBytesMax, queueBytesMax } = this.#host.limits;
    let bytes = 0;
    for (const { kind, payload } of records) {
      if (!Number.isInteger(kind) || kind < 0 || kind > kindMax) {
        return Promise.reject(new JournalError('invalid', `a kind is 1 to ${kindMax}`));
      }
      const payloadBytes = lengthOf(payload);
      if (payloadBytes > recordBytesMax) {
        return Promise.reject(new JournalError('invalid', `a payload has at most ${recordBytesMax} bytes`));
      }
      bytes += recordHeadBytes + payloadBytes;
    }
    if (records.length === 0) return Promise.resolve([]);
    if (this.#queue.length > 0 && this.#queueBytes + bytes > queueBytesMax) {
      return Promise.reject(new JournalError('busy', 'too many bytes wait to be written'));
    }
    return new Promise((resolve, reject) => {
      const group = new Group(records.length, resolve, reject);
      for (const { kind, payload } of records) {
        const sequence = this.#nextSequence++;
        const payloadBytes = lengthOf(payload);
        this.#queue.push({ sequence, kind, payload, payloadBytes, urgent, group, settled: false });
      }
      this.#queueBytes += bytes;
      // A microtask later, so that what is appended in the same turn shares the write.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Whether records of that many bytes, behind all that wait, find their space taken already. */
  room(bytes: number, urgent: boolean): boolean {
    const { segmentBytes, preallocateBytes, reserveBytes, queueBytesMax } = this.#host.limits;
    if (this.failed !== undefined || this.#exclusive) return false;
    if (this.#queue.length > 0 && this.#queueBytes + bytes > queueBytesMax) return false;
    const pending = this.#takenBytes + this.#queueBytes + bytes;
    const { segment, preallocatedBytes } = this.#host.active();
    const end = segment.endBytes + pending;
    if (!urgent) return end <= segmentBytes && end + reserveBytes <= preallocatedBytes;
    // Past the end of a segment urgent records go into the next one, or here when the disk has no room for a next one.
    return end <= preallocatedBytes && (end <= segmentBytes || recordsStart + pending <= preallocateBytes);
  }

  /** Takes what `room` asks for, between two batches. */
  makeRoom(bytes: number): Promise<void> {
    return this.exclusive(async (nextSequence) => {
      const { segment } = this.#host.active();
      const end = segment.endBytes + this.#queueBytes + bytes;
      if (end > this.#host.limits.segmentBytes && segment.endBytes > recordsStart)
        await this.#host.rotate(nextSequence);
      await this.#preallocate(this.#queueBytes + bytes + this.#host.limits.reserveBytes);
    });
  }

  /** Runs `work` between two batches. */
  async exclusive(work: (nextSequence: number) => Promise<void>): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.failed !== undefined) throw this.failed;
    this.#exclusive = true;
    const running = work(this.#nextSequence)
      .catch((error: unknown) => {
        throw this.#judge(error);
      })
      .finally(() => {
        this.#exclusive = false;
      });
    this.#running = running.then(
      () => this.#run(),
      () => this.#run(),
    );
    await running;
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0 && this.failed === undefined) {
      const batch = this.#take();
      try {
        await this.#commit(await this.#makeRoom(batch));
      } catch (error) {
        const reason = this.#judge(error);
        for (const waiting of batch) waiting.group.refuse(waiting, reason);
      }
      this.#takenBytes = 0;
    }
    if (this.failed !== undefined) {
      this.#queueBytes = 0;
      for (const waiting of this.#queue.splice(0)) waiting.group.refuse(waiting, this.failed);
    }
    this.#running = undefined;
  }

  #take(): Waiting[] {
    const { batchBytesMax } = this.#host.limits;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      const length = recordHeadBytes + waiting.payloadBytes;
      if (count > 0 && bytes + length > batchBytesMax) break;
      bytes += length;
      count += 1;
    }
    this.#queueBytes -= bytes;
    this.#takenBytes = bytes;
    return this.#queue.splice(0, count);
  }

  /** Begins a new segment and takes disk space as needed. On a full disk what has its space already is left to write. */
  async #makeRoom(batch: Waiting[]): Promise<Waiting[]> {
    const first = batch[0];
    if (first !== undefined && this.#host.active().segment.endBytes >= this.#host.limits.segmentBytes) {
      try {
        await this.#host.rotate(first.sequence);
      } catch (error) {
        if (!isFull(error)) throw error;
        // The old segment is full by its own measure: what is left of it is for urgent records.
        return this.#fitting(batch, error, false);
      }
    }
    try {
      await this.#reserve(bytesOf(batch));
      return batch;
    } catch (error) {
      if (!isFull(error)) throw error;
      return this.#fitting(batch, error, true);
    }
  }

  /** What fits into the space that is taken; only urgent records get at the reserve. The rest is refused. */
  #fitting(batch: Waiting[], cause: unknown, others: boolean): Waiting[] {
    const reason = new JournalError('full', 'the disk is full', cause);
    const { segment, preallocatedBytes } = this.#host.active();
    const othersMax = others ? preallocatedBytes - this.#host.limits.reserveBytes : 0;
    let end = segment.endBytes;
    return batch.filter((waiting) => {
      const next = end + recordHeadBytes + waiting.payloadBytes;
      const kept = next <= (waiting.urgent ? preallocatedBytes : othersMax);
      if (kept) end = next;
      else waiting.group.refuse(waiting, reason);
      return kept;
    });
  }

  async #reserve(bytes: number): Promise<void> {
    const { segment, preallocatedBytes } = this.#host.active();
    // A batch this large takes its space as it is written: zeros first would be written twice for nothing.
    if (bytes >= directBytesMin && segment.endBytes + bytes > preallocatedBytes) return;
    await this.#preallocate(bytes + this.#host.limits.reserveBytes);
  }

  async #preallocate(bytes: number): Promise<void> {
    const active = this.#host.active();
    const end = active.segment.endBytes + bytes;
    if (end <= active.preallocatedBytes) return;
    const step = this.#host.limits.preallocateBytes;
    const target = Math.ceil(end / step) * step;
    await active.segment.file?.preallocate(target);
    active.preallocatedBytes = target;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    const active = this.#host.active();
    const { segment } = active;
    const { file } = segment;
    if (file === undefined) throw new JournalError('closed', 'the segment is closed');
    const start = segment.endBytes;
    const end = start + bytesOf(batch);
    const pieces = this.#encode(batch, segment.salted);
    const growing = end > active.preallocatedBytes;
    if (growing) pieces.push(new Uint8Array(this.#host.limits.reserveBytes));
    try {
      await file.write(pieces, start);
    } catch (error) {
      if (!(growing && isFull(error))) throw fatal(error);
      await this.#takeBack(file, start, active.preallocatedBytes);
      return this.#commit(this.#fitting([...batch], error, true));
    }
    if (growing) active.preallocatedBytes = end + this.#host.limits.reserveBytes;
    try {
      await file.sync();
    } catch (error) {
      // Whatever the system says: what is on the disk is unknown now, and a second try could hide a loss.
      throw fatal(error);
    }
    this.written.syncs += 1;
    this.written.bytes += end - start;
    segment.endBytes = end;
    this.#takenBytes = 0;
    let offsetBytes = start;
    for (const waiting of batch) {
      const { sequence, payloadBytes, group } = waiting;
      group.accept(waiting, { segment: segment.id, offsetBytes, payloadBytes, sequence });
      offsetBytes += recordHeadBytes + payloadBytes;
    }
  }

  /**
   * Unwrites what found no room: the last sync ended at `start`, the rest was promised to nobody. The space up to `end`
   * was the journal's before, and stays so: given up, another could take it.
   */
  async #takeBack(file: File, start: number, end: number): Promise<void> {
    const pieces: Uint8Array[] = [];
    for (let at = start; at < end; at += zeros.byteLength)
      pieces.push(zeros.subarray(0, Math.min(zeros.byteLength, end - at)));
    try {
      if (pieces.length > 0) await file.write(pieces, start);
      await file.truncate(end);
    } catch (error) {
      throw fatal(error);
    }
  }

  #encode(batch: readonly Waiting[], salted: number): Uint8Array[] {
    let copied = 0;
    for (const { payload } of batch) {
      copied += recordHeadBytes;
      for (const piece of payload) if (piece.byteLength < copyBytesMax) copied += piece.byteLength;
    }
    if (this.#scratch.byteLength < copied) this.#scratch = Buffer.allocUnsafeSlow(copied);
    const scratch = this.#scratch;
    if (copied > keptScratchBytes) this.#scratch = Buffer.alloc(0);
    const pieces: Uint8Array[] = [];
    let from = 0;
    let at = 0;
    for (const [index, { sequence, kind, payload, payloadBytes }] of batch.entries()) {
      const flagged = index === 0 ? kind | batchStartFlag : kind;
      encodeRecordHead(scratch, at, { sequence, kind: flagged, payload }, payloadBytes, salted);
      at += recordHeadBytes;
      for (const piece of payload) {
        if (piece.byteLength < copyBytesMax) {
          scratch.set(piece, at);
          at += piece.byteLength;
        } else {
          pieces.push(scratch.subarray(from, at), piece);
          from = at;
        }
      }
    }
    if (at > from) pieces.push(scratch.subarray(from, at));
    return pieces;
  }

  /** What the callers hear; anything but a lack of room ends the journal. */
  #judge(error: unknown): JournalError {
    if (isFull(error)) return new JournalError('full', 'the disk is full', error);
    if (error instanceof JournalError && error.reason !== 'failed') return error;
    this.failed ??= error instanceof JournalError ? error : fatal(error);
    this.#host.failed(this.failed);
    return this.failed;
  }
}

function fatal(cause: unknown): JournalError {
  return new JournalError('failed', 'a write to the journal failed; it is read-only now', cause);
}

/** No space, or no descriptor for the next segment: nothing was written, and a later append may succeed. */
function isFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EMFILE' || code === 'ENFILE';
}
