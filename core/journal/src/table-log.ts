import { RonError } from '@ron/proto/errors';
import { JournalError } from './errors.ts';
import { type Journal, openJournal } from './journal.ts';
import type { JournalDamage } from './options.ts';
import type { Change, TableOptions } from './table.ts';

/** What keeps a table's changes. */
export interface TableLog {
  readonly failed: string | undefined;
  /** Resolves when the changes are on stable storage, all of them. */
  append(changes: readonly Change<string>[], urgent: boolean): Promise<void>;
  /**
   * Writes all entries again and drops the history, when that is most of the log: a step, of at most 64 KiB, one entry or one
   * dropped segment, each time it is asked. Changes may be appended between two steps when `all` goes on with what is there then. Never
   * rejects; given up half-way, nothing is lost.
   */
  rewrite(liveCharacters: number, all: Iterable<readonly [string, string]>): AsyncIterator<void>;
  close(): Promise<void>;
}

const KiB = 1024;
/** A record is one transaction, or a part of all entries: `[["key",value],["removed key"]]` in JSON. */
const changesKind = 1;
/** Of one record when all entries are written again; less in a log that may only be small. */
const chunkCharactersMax = 64 * KiB;
/** Three bytes of UTF-8 for each character at most, so a log that was just written again never counts as mostly history. */
const bytesPerCharacterMax = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Opens the journal and puts what it holds into `entries`, as JSON by key. */
export async function openTableLog(options: TableOptions, entries: Map<string, string>): Promise<TableLog> {
  const { env, folder, onDamage = () => undefined } = options;
  const journal = await openJournal({
    env,
    folder,
    segmentBytes: options.segmentBytes ?? 4 * KiB * KiB,
    preallocateBytes: 256 * KiB,
    recordBytesMax: 16 * KiB * KiB,
    visit: ({ kind, payload }) => {
      if (kind === changesKind) replay(payload, entries);
    },
    onFailed: (reason) => onDamage(`the log ${folder} is read-only: ${reason.message}`),
  });
  for (const damage of journal.damage) if (isLoss(damage)) onDamage(lossOf(folder, damage));
  return new SegmentedTableLog(journal, options.logBytesMin ?? KiB * KiB);
}

class SegmentedTableLog implements TableLog {
  readonly #journal: Journal;
  readonly #logBytesMin: number;
  /** After a disk that would not have all entries written again: not tried before the log has grown this far. */
  #restUntilBytes = 0;

  constructor(journal: Journal, logBytesMin: number) {
    this.#journal = journal;
    this.#logBytesMin = logBytesMin;
  }

  get failed(): string | undefined {
    return this.#journal.failed?.message;
  }

  async append(changes: readonly Change<string>[], urgent: boolean): Promise<void> {
    try {
      await this.#journal.append(changesKind, [encode(changes)], { urgent });
    } catch (error) {
      throw refusalOf(error);
    }
  }

  async *rewrite(liveCharacters: number, all: Iterable<readonly [string, string]>): AsyncGenerator<void> {
    const bytes = this.#journal.segments().reduce((sum, segment) => sum + segment.bytes, 0);
    if (bytes <= this.#logBytesMin + bytesPerCharacterMax * liveCharacters || bytes < this.#restUntilBytes) return;
    try {
      await this.#journal.rotate();
      const history = this.#journal.segments().filter(({ sealed }) => sealed);
      for (const chunk of chunksOf(all, Math.min(chunkCharactersMax, this.#logBytesMin >> 4))) {
        await this.#journal.append(changesKind, [encode(chunk)]);
        yield;
      }
      // The oldest first: a removal must not go before what it removes.
      for (const { segment } of history) {
        await this.#journal.dropSegment(segment);
        yield;
      }
    } catch {
      // A full disk, or a file that cannot be removed. What is alive is stored all the same; what is lost is `failed`.
      this.#restUntilBytes = 2 * bytes;
    }
  }

  async close(): Promise<void> {
    await this.#journal[Symbol.asyncDispose]();
  }
}

function encode(changes: readonly Change<string>[]): Uint8Array {
  const parts = changes.map(([key, json]) => `[${JSON.stringify(key)}${json === undefined ? '' : `,${json}`}]`);
  return encoder.encode(`[${parts.join(',')}]`);
}

function replay(payload: Uint8Array, entries: Map<string, string>): void {
  for (const change of JSON.parse(decoder.decode(payload)) as readonly (readonly [string, unknown?])[]) {
    if (change.length === 1) entries.delete(change[0]);
    else entries.set(change[0], JSON.stringify(change[1]));
  }
}

function* chunksOf(entries: Iterable<readonly [string, string]>, charactersMax: number): Iterable<Change<string>[]> {
  let chunk: Change<string>[] = [];
  let characters = 0;
  for (const entry of entries) {
    chunk.push(entry);
    characters += entry[0].length + entry[1].length;
    if (characters < charactersMax) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** A torn tail, and one of two copies of a header, hold nothing that was acknowledged. */
function isLoss({ kind }: JournalDamage): boolean {
  return kind !== 'tail' && kind !== 'header';
}

function lossOf(folder: string, { kind, segment, startBytes, endBytes }: JournalDamage): string {
  return `${folder}: ${kind} lost in segment ${segment}, bytes ${startBytes} to ${endBytes}`;
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof JournalError)) return error;
  if (error.reason === 'full') return new RonError('insufficient_storage', 'the disk is full', { cause: error });
  return new RonError('unavailable', 'the change could not be stored', { cause: error });
}
