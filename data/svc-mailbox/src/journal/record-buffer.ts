import { recordBytes } from '@ron/journal';
import type { Content } from '../state/body.ts';
import type { FactSink, KeptKey } from '../state/facts.ts';
import type { Message } from '../state/message.ts';
import { FieldWriter } from './codec.ts';
import {
  type CarriedKey,
  encodeChanged,
  encodeGone,
  encodeKeys,
  encodeMessage,
  encodeNames,
  recordKind,
} from './records.ts';

export interface PendingRecord {
  readonly kind: number;
  readonly payload: readonly Uint8Array[];
  /** Whose record it is, for kind `message`. */
  readonly message: Message | undefined;
}

/** What the record of names takes beside the names. */
export const namesHeadBytes = recordBytes(8);

/** Collects what one batch of commands has to write. */
export class RecordBuffer implements FactSink {
  readonly #writer = new FieldWriter();
  #records: PendingRecord[] = [];
  #named: Message[] = [];
  /** Mailbox time of the batch. */
  nowMs = 0;
  /** The latest time that a record tells. */
  toldMs = 0;
  /** Told of messages that a command takes away. */
  onGone: (message: Message) => void = () => undefined;

  sent(message: Message, key: KeptKey | undefined): void {
    this.carried(message, key, message.content!);
  }

  changed(message: Message): void {
    encodeChanged(this.#writer, this.nowMs, message);
    this.#push(recordKind.changed);
  }

  gone(message: Message): void {
    encodeGone(this.#writer, this.nowMs, message.id);
    this.#push(recordKind.gone);
    this.onGone(message);
  }

  /** A message as it stands now, at a later place of the log. Returns the bytes of its record. */
  carried(message: Message, key: KeptKey | undefined, content: Content): number {
    encodeMessage(this.#writer, this.nowMs, message, key, content);
    this.#named.push(message);
    return this.#push(recordKind.message, message);
  }

  /** Without any it only tells the time. */
  keys(keys: readonly CarriedKey[]): void {
    encodeKeys(this.#writer, this.nowMs, keys);
    this.#push(recordKind.keys);
  }

  take(): readonly PendingRecord[] {
    if (this.#named.length > 0) {
      encodeNames(this.#writer, this.nowMs, this.#named);
      this.#push(recordKind.names);
      this.#named = [];
    }
    const records = this.#records;
    this.#records = [];
    return records;
  }

  #push(kind: number, message?: Message): number {
    const payload = this.#writer.take();
    this.toldMs = this.nowMs;
    this.#records.push({ kind, payload: [payload], message });
    return recordBytes(payload.byteLength);
  }
}
