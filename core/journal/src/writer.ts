import { codeOf, JournalError } from './errors.ts';
import { batchStartFlag, encodeRecordHead, kindMax, recordHeadBytes } from './format.ts';
import type { Limits, RecordLocation } from './options.ts';
import type { Segment } from './segments.ts';

/** Pieces below this are copied together: one system call for many of them costs less than the copy. */
const copyBytesMax = 16_384;
const keptScratchBytes = 1024 * 1024;
/** From here on a batch extends the file itself. */
const directBytesMin = 128 * 1024;

interface Waiting {
  readonly sequence: number;
  readonly kind: number;
  readonly payload: readonly Uint8Array[];
  readonly payloadBytes: number;
  readonly urgent: boolean;
  readonly resolve: (location: RecordLocation) => void;
  readonly reject: (reason: JournalError) => void;
}

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
  #running: Promise<void> | undefined;
  #scratch = Buffer.alloc(0);
  failed: JournalError | undefined;
  readonly written = { syncs: 0, bytes: 0 };

  constructor(host: WriterHost, nextSequence: number) {
    this.#host = host;
    this.#nextSequence = nextSequence;
  }

  append(kind: number, payload: readonly Uint8Array[], urgent: boolean): Promise<RecordLocation> {
    const { limits } = this.#host;
    let payloadBytes = 0;
    for (const piece of payload) payloadBytes += piece.byteLength;
    if (this.failed !== undefined) return Promise.reject(this.failed);
    if (!Number.isInteger(kind) || kind < 0 || kind > kindMax) {
      return Promise.reject(new JournalError('invalid', `a kind is 1 to ${kindMax}`));
    }
    if (payloadBytes > limits.recordBytesMax) {
      return Promise.reject(new JournalError('invalid', `a payload has at most ${limits.recordBytesMax} bytes`));
    }
    const length = recordHeadBytes + payloadBytes;
    if (this.#queue.length > 0 && this.#queueBytes + length > limits.queueBytesMax) {
      return Promise.reject(new JournalError('busy', 'too many bytes wait to be written'));
    }
    const sequence = this.#nextSequence++;
    return new Promise((resolve, reject) => {
      this.#queue.push({ sequence, kind, payload, payloadBytes, urgent, resolve, reject });
      this.#queueBytes += length;
      // A microtask later, so that what is appended in the same turn shares the write.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  /** Runs `work` between two batches. */
  async exclusive(work: (nextSequence: number) => Promise<void>): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.failed !== undefined) throw this.failed;
    const running = work(this.#nextSequence).catch((error: unknown) => {
      throw this.#judge(error);
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
        for (const waiting of batch) waiting.reject(reason);
      }
    }
    if (this.failed !== undefined) for (const waiting of this.#queue.splice(0)) waiting.reject(this.failed);
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
    return this.#queue.splice(0, count);
  }

  /** Begins a new segment and takes disk space as needed. On a full disk only urgent records are left to write. */
  async #makeRoom(batch: Waiting[]): Promise<Waiting[]> {
    const { limits } = this.#host;
    try {
      const first = batch[0];
      if (first !== undefined && this.#host.active().segment.endBytes >= limits.segmentBytes) {
        await this.#host.rotate(first.sequence);
      }
      await this.#reserve(bytesOf(batch) + limits.reserveBytes);
      return batch;
    } catch (error) {
      if (!isFull(error)) throw error;
      const reason = new JournalError('full', 'the disk is full', error);
      const { segment, preallocatedBytes } = this.#host.active();
      let left = preallocatedBytes - segment.endBytes;
      return batch.filter((waiting) => {
        const length = recordHeadBytes + waiting.payloadBytes;
        const kept = waiting.urgent && length <= left;
        if (kept) left -= length;
        else waiting.reject(reason);
        return kept;
      });
    }
  }

  async #reserve(bytes: number): Promise<void> {
    const active = this.#host.active();
    const end = active.segment.endBytes + bytes;
    // A batch this large takes its space as it is written: zeros first would be written twice for nothing.
    if (end <= active.preallocatedBytes || bytes >= directBytesMin) return;
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
      // What the last sync covered ends where it ended; the rest was promised to nobody.
      const { preallocatedBytes } = active;
      active.preallocatedBytes = start;
      await file.truncate(start);
      // The room that was given up a moment ago is taken back for urgent records.
      await file.preallocate(preallocatedBytes);
      active.preallocatedBytes = preallocatedBytes;
      throw error;
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
    let offsetBytes = start;
    for (const { sequence, payloadBytes, resolve } of batch) {
      resolve({ segment: segment.id, offsetBytes, payloadBytes, sequence });
      offsetBytes += recordHeadBytes + payloadBytes;
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

function bytesOf(batch: readonly Waiting[]): number {
  let bytes = 0;
  for (const { payloadBytes } of batch) bytes += recordHeadBytes + payloadBytes;
  return bytes;
}

/** No space, or no descriptor for the next segment: nothing was written, and a later append may succeed. */
function isFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EMFILE' || code === 'ENFILE';
}
