import type { Journal, JournalRecord, SegmentInfo } from '@ron/journal';
import { recordBytes, recordsStart } from '@ron/journal';
import type { Content } from '../state/body.ts';
import type { KeptKey } from '../state/facts.ts';
import type { Machine } from '../state/machine.ts';
import type { Message } from '../state/message.ts';
import { type Committer, ownTenant } from './committer.ts';
import { carriedBytesMax, rewrittenBytesMax } from './costs.ts';
import type { RecordBuffer } from './record-buffer.ts';
import {
  type CarriedKey,
  carriedKeyBytes,
  decodeKeys,
  decodeMessage,
  decodeMessageKey,
  lostContent,
  namesBytesMax,
  recordKind,
} from './records.ts';
import { SpaceEstimate } from './space-estimate.ts';

export interface CompactorPorts {
  readonly journal: Journal;
  readonly machine: Machine;
  readonly committer: Committer;
  readonly records: RecordBuffer;
  /** A log below this many bytes is left alone. */
  readonly logBytesMin: number;
  /** Of the log: a quarter of it may be spent to free a segment of a full disk. */
  readonly reserveBytes: number;
  /** Lets others run. */
  readonly pause: () => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  /** Its record was bad, and nothing of it was in memory. */
  readonly onLost: (message: Message) => void;
}

/** The log may be this many times as large as what is alive in it. */
const slack = 2;
/** Keys that one record carries. */
const keysAtOnce = 1_024;
/** Records that are carried at a time. */
const carriedAtOnce = 64;
/** Messages that are looked at between two pauses. */
const messagesAtOnce = 16_384;
/** After a failure; doubles with each one, up to the maximum. */
const restMsMin = 1_000;
const restMsMax = 60_000;

/**
 * Gives space back, the oldest segment first: what is still alive in it is written again as it stands now, a few
 * records at a time through the same queue as everything else, and then the segment is dropped. So the log is always
 * its own snapshot, and nobody waits for one to be made.
 */
export class Compactor {
  readonly #ports: CompactorPorts;
  readonly #estimate: SpaceEstimate;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Carried since a segment was dropped. */
  #advanceBytes = 0;
  #restMs = restMsMin;
  /** Mailbox time before which nothing is tried. */
  #restUntilMs = 0;
  /** Since the start. */
  readonly done = { segments: 0, carriedBytes: 0 };

  constructor(ports: CompactorPorts) {
    this.#ports = ports;
    this.#estimate = new SpaceEstimate(ports.logBytesMin);
  }

  /** Starts a run when the log has grown too large for what is in it. */
  consider(): void {
    if (this.#running !== undefined || this.#stopped || !this.#isDue()) return;
    if (this.#ports.machine.life.nowMs < this.#restUntilMs) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped && this.#isDue()) if (!(await this.#compactOldest())) return;
    } catch (error) {
      // The segment stays and is looked at again: on a full disk little can be carried, and a log that failed says so itself.
      this.#restUntilMs = this.#ports.machine.life.nowMs + this.#restMs;
      this.#restMs = Math.min(restMsMax, this.#restMs * 2);
      this.#ports.onFailure(error);
    }
  }

  #isDue(): boolean {
    const { journal, machine, logBytesMin } = this.#ports;
    const segments = journal.segments();
    if (segments.length < 2 || journal.failed !== undefined) return false;
    let logBytes = 0;
    for (const { bytes } of segments) logBytes += bytes;
    return logBytes > Math.max(logBytesMin, slack * this.#estimate.aliveBytes(machine));
  }

  /** Drops the oldest sealed segment after carrying on what is alive in it. */
  async #compactOldest(): Promise<boolean> {
    const { journal } = this.#ports;
    const oldest = journal.segments()[0];
    if (oldest === undefined || !oldest.sealed) return false;
    const isWhole = await this.#carryOn(oldest);
    if (!isWhole) await this.#rescue(oldest.segment);
    if (this.#stopped) return false;
    await journal.dropSegment(oldest.segment);
    this.done.segments += 1;
    this.#advanceBytes = 0;
    this.#restMs = restMsMin;
    return true;
  }

  /** False: there are bytes in it that are no record of ours. */
  async #carryOn({ segment, bytes }: SegmentInfo): Promise<boolean> {
    const carried: Promise<unknown>[] = [];
    const keys: CarriedKey[] = [];
    let endBytes = recordsStart;
    let isWhole = true;
    const add = (work: Promise<unknown> | undefined) => {
      if (work === undefined) return;
      // Its outcome counts when all are waited for; until then nobody may call it unhandled.
      work.catch(() => undefined);
      carried.push(work);
    };
    const flush = () => add(keys.length === 0 ? undefined : this.#carryKeys(keys.splice(0)));
    await this.#ports.journal.replaySegment(segment, async (record) => {
      if (this.#stopped) return;
      isWhole &&= follows(record.offsetBytes, endBytes);
      endBytes = record.offsetBytes + recordBytes(record.payloadBytes);
      add(this.#visit(record, keys));
      if (keys.length >= keysAtOnce) flush();
      if (carried.length >= carriedAtOnce) await allOf(carried.splice(0));
    });
    flush();
    await allOf(carried);
    return isWhole && follows(bytes, endBytes);
  }

  #visit(record: JournalRecord, keys: CarriedKey[]): Promise<unknown> | undefined {
    if (record.kind === recordKind.keys) {
      for (const key of decodeKeys(record.payload).keys) if (this.#isKept(key, key.id)) keys.push(key);
    }
    if (record.kind !== recordKind.message) return undefined;
    const { id, keptKey } = decodeMessageKey(record.payload);
    const message = this.#ports.machine.life.messages.get(id);
    // One whose write is not over has no place yet.
    if (message !== undefined && (message.segment < 0 || isAt(message, record))) {
      const { segment, offsetBytes, payloadBytes } = record;
      return this.#carryMessage(message, { segment, offsetBytes, payloadBytes }, keptKey, record.payload);
    }
    if (keptKey !== undefined && this.#isKept(keptKey, id)) keys.push({ ...keptKey, id });
    return undefined;
  }

  /** Whether the key still stands for this message: it may have been forgotten, and used again. */
  #isKept({ hash }: KeptKey, id: string): boolean {
    const { machine } = this.#ports;
    return machine.keys.find(hash, machine.life.nowMs)?.id === id;
  }

  #carryMessage(message: Message, from: Place, keptKey: KeptKey | undefined, payload: Uint8Array): Promise<unknown> {
    const { records } = this.#ports;
    const { content } = decodeMessage(payload).record;
    const { id } = message;
    return this.#submit(carriedBytesMax(message, from.payloadBytes), () => {
      const key = keptKey !== undefined && this.#isKept(keptKey, id) ? keptKey : undefined;
      if (message.state !== 'gone' && isAt(message, from)) this.#write(message, key, content);
      // Settled in the meantime: its key still counts.
      else if (key !== undefined) records.keys([{ ...key, id }]);
    });
  }

  #carryKeys(keys: readonly CarriedKey[]): Promise<unknown> {
    return this.#submit(recordBytes(8 + keys.length * carriedKeyBytes), () => {
      const kept = keys.filter((key) => this.#isKept(key, key.id));
      if (kept.length > 0) this.#ports.records.keys(kept);
      this.done.carriedBytes += kept.length * carriedKeyBytes;
    });
  }

  /**
   * Some record of the segment is bad. What stood in it and is still in memory is written anew; what is not becomes a
   * dead letter that says so.
   */
  async #rescue(segment: number): Promise<void> {
    const { machine, pause, onLost } = this.#ports;
    await this.#rescueKeys();
    const { messages } = machine.life;
    let left = messages.size;
    for (const message of messages.values()) {
      if (left % messagesAtOnce === 0) await pause();
      left -= 1;
      // What was sent since stands elsewhere.
      if (left < 0 || this.#stopped) return;
      if (message.segment !== segment) continue;
      const isLost = await this.#submit(rewrittenBytesMax(message), () => this.#rewrite(message, segment));
      if (isLost) onLost(message);
    }
  }

  /** Which keys stood in the bad record nobody knows: all that are remembered are written again. */
  async #rescueKeys(): Promise<void> {
    const keys = Array.from(this.#ports.machine.keys.entries(), ([hash, key]) => ({ hash, ...key }));
    for (let at = 0; at < keys.length && !this.#stopped; at += keysAtOnce) {
      await this.#carryKeys(keys.slice(at, at + keysAtOnce));
    }
  }

  #rewrite(message: Message, segment: number): boolean {
    const { id, box, content, cause, state } = message;
    if (state === 'gone' || message.segment !== segment) return false;
    const isLost = content === undefined && cause !== 'damaged';
    if (isLost) this.#ports.machine.apply({ op: 'quarantine', tenant: box.tenant.name, box: box.name, id });
    this.#write(message, undefined, content ?? lostContent);
    return isLost;
  }

  #write(message: Message, key: KeptKey | undefined, content: Content): void {
    const { tenant, name } = message.box;
    const bytes = this.#ports.records.carried(message, key, content) + namesBytesMax(tenant.name, name);
    this.done.carriedBytes += bytes;
    this.#estimate.learn(message, bytes - (key === undefined ? 0 : carriedKeyBytes));
  }

  #submit<T>(bytesMax: number, run: () => T): Promise<T> {
    this.#advanceBytes += bytesMax;
    // What little it takes to free a whole segment may come out of the reserve.
    const storing = this.#advanceBytes > this.#ports.reserveBytes / 4;
    return this.#ports.committer.submit({ tenant: ownTenant, storing, bytesMax, run });
  }
}

/** With nothing between, or the empty record that the journal writes at an orderly close and shows to nobody. */
function follows(offsetBytes: number, endBytes: number): boolean {
  return offsetBytes === endBytes || offsetBytes === endBytes + recordBytes(0);
}

interface Place {
  readonly segment: number;
  readonly offsetBytes: number;
  readonly payloadBytes: number;
}

function isAt(message: Message, { segment, offsetBytes }: Place): boolean {
  return message.segment === segment && message.offsetBytes === offsetBytes;
}

/** Waits for all of them, also when one fails. */
async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}
