import type { Journal, RecordLocation } from '@ron/journal';
import { JournalError } from '@ron/journal';
import type { Content } from '../state/body.ts';
import type { Message } from '../state/message.ts';
import { decodeMessage } from './records.ts';

/** A record that moves while it is read is looked for again this often. */
const triesMax = 4;
/** What keeping a content takes beside its bytes, about; an empty one counts too. */
const entryBytes = 256;

/** The contents of messages: the latest stay in memory up to a number of bytes, all of them are in the log. */
export class Contents {
  readonly #journal: () => Journal;
  readonly #bytesMax: number;
  readonly #kept = new Set<Message>();
  /** Walks along with the set: asking for its first entry again and again would step over those that left. */
  #oldest = this.#kept.values();
  #bytes = 0;

  constructor(journal: () => Journal, bytesMax: number) {
    this.#journal = journal;
    this.#bytesMax = bytesMax;
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Its record is in the log now; the content stays in memory as long as there is room. */
  placed(message: Message, { segment, offsetBytes, payloadBytes }: RecordLocation): void {
    message.segment = segment;
    message.offsetBytes = offsetBytes;
    message.payloadBytes = payloadBytes;
    if (message.state === 'gone') message.content = undefined;
    if (message.content === undefined || this.#kept.has(message)) return;
    this.#kept.add(message);
    this.#bytes += entryBytes + message.origin.sizeBytes;
    while (this.#bytes > this.#bytesMax) {
      const oldest = this.#next();
      if (oldest === undefined) return;
      this.forget(oldest);
    }
  }

  /** From memory only. */
  forget(message: Message): void {
    if (!this.#kept.delete(message)) return;
    this.#bytes -= entryBytes + message.origin.sizeBytes;
    message.content = undefined;
  }

  /** Undefined: the bytes in the log are bad, or the message is gone. Rejects when the log cannot be read. */
  async of(message: Message): Promise<Content | undefined> {
    for (let tries = 1; message.content === undefined; tries += 1) {
      const { segment, offsetBytes, payloadBytes } = message;
      if (message.state === 'gone' || segment < 0) return undefined;
      try {
        const payload = await this.#journal().read({ segment, offsetBytes, payloadBytes });
        return decodeMessage(payload).record.content;
      } catch (error) {
        // Compaction has carried it to another place meanwhile.
        const moved = message.segment !== segment || message.offsetBytes !== offsetBytes;
        if (moved && tries < triesMax) continue;
        if (error instanceof JournalError && error.reason === 'corrupt') return undefined;
        // Taken away, and then its segment too.
        if (wasTaken(message)) return undefined;
        throw error;
      }
    }
    return message.content;
  }

  /** How many are in memory. */
  get size(): number {
    return this.#kept.size;
  }

  #next(): Message | undefined {
    const step = this.#oldest.next();
    if (step.done !== true) return step.value;
    this.#oldest = this.#kept.values();
    return this.#oldest.next().value;
  }
}

function wasTaken({ state }: Message): boolean {
  return state === 'gone';
}
