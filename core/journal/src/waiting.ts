import type { JournalError } from './errors.ts';
import { recordHeadBytes } from './format.ts';
import type { RecordLocation } from './options.ts';

/** A record on its way to the disk. */
export interface Waiting {
  readonly sequence: number;
  readonly kind: number;
  readonly payload: readonly Uint8Array[];
  readonly payloadBytes: number;
  readonly urgent: boolean;
  readonly group: Group;
  settled: boolean;
}

/** Records that were appended together and share one promise; they may reach the disk in several writes. */
export class Group {
  readonly #locations: RecordLocation[] = [];
  readonly #resolve: (locations: readonly RecordLocation[]) => void;
  readonly #reject: (reason: JournalError) => void;
  #left: number;
  #refusal: JournalError | undefined;

  constructor(
    records: number,
    resolve: (locations: readonly RecordLocation[]) => void,
    reject: (reason: JournalError) => void,
  ) {
    this.#left = records;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  accept(waiting: Waiting, location: RecordLocation): void {
    if (waiting.settled) return;
    this.#locations.push(location);
    this.#settle(waiting);
  }

  /** No effect on a record whose outcome is known. */
  refuse(waiting: Waiting, reason: JournalError): void {
    if (waiting.settled) return;
    this.#refusal ??= reason;
    this.#settle(waiting);
  }

  /** Told when the last outcome is known: then nothing of the group is under way any more. */
  #settle(waiting: Waiting): void {
    waiting.settled = true;
    this.#left -= 1;
    if (this.#left > 0) return;
    if (this.#refusal === undefined) this.#resolve(this.#locations);
    else this.#reject(this.#refusal);
  }
}

export function lengthOf(payload: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of payload) bytes += piece.byteLength;
  return bytes;
}

/** On the disk, heads included. */
export function bytesOf(batch: readonly Waiting[]): number {
  let bytes = 0;
  for (const { payloadBytes } of batch) bytes += recordHeadBytes + payloadBytes;
  return bytes;
}
