import { type Journal, openJournal, recordBytes } from '@ron/journal';
import { type Env, sleep } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { MailboxConfig } from '../config.ts';
import { Core } from '../engine/core.ts';
import type { EngineCounters, LeasedMessage, MailboxEngine, PlainCommand } from '../engine/engine.ts';
import { leasedOf } from '../engine/listing.ts';
import { MachineMailboxes } from '../engine/machine-mailboxes.ts';
import { limitsOf } from '../limits.ts';
import type { Content } from '../state/body.ts';
import type { Box } from '../state/box.ts';
import type { Delivered, Outcomes, Receive, Send } from '../state/command.ts';
import type { Message } from '../state/message.ts';
import { Restorer } from '../state/restore.ts';
import { Committer, ownTenant } from './committer.ts';
import { Compactor } from './compactor.ts';
import { Contents } from './contents.ts';
import { buriedBytesMax, bytesMaxOf } from './costs.ts';
import { RecordBuffer } from './record-buffer.ts';
import { lostContent, type NamedMessage } from './records.ts';
import { damagedMessages, isLoss, missingSegments, replayRecord } from './recovery.ts';

const MiB = 1_048_576;
const unreadable = Symbol('unreadable');

export interface JournalMailboxesOptions {
  readonly env: Pick<Env, 'clock' | 'disk' | 'random'>;
  /** Made when absent; nothing else may live in it. */
  readonly folder: string;
  /** Read at each use. */
  readonly config: () => Readonly<MailboxConfig>;
  /** Bytes of all bodies and headers. The log may take twice as much and 64 MiB. */
  readonly bytesMax: number;
  /** Bytes of contents kept in memory, the latest. Default 64 MiB. */
  readonly hotBytesMax?: number;
  /** Default 32 MiB: what is given back at a time. */
  readonly segmentBytes?: number;
  /** Space that a full disk keeps for receiving, settling and removing. Default 1 MiB, about 10,000 of them. */
  readonly reserveBytes?: number;
  /** Told of stored bytes that went bad, and of what that means. */
  readonly onDamage?: (detail: string) => void;
}

/**
 * Mailboxes whose every change is in a log on the disk before it is answered. Rejects when the folder cannot be used,
 * or holds something else.
 */
export async function openJournalMailboxes(options: JournalMailboxesOptions): Promise<MailboxEngine> {
  const { env, config, bytesMax, onDamage } = options;
  const records = new RecordBuffer();
  const core = new Core({ clock: env.clock, random: env.random, limits: limitsOf(config, bytesMax), facts: records });
  const restorer = new Restorer(core.machine);
  const segmentBytes = options.segmentBytes ?? 32 * MiB;
  const journal = await openJournal({
    env,
    folder: options.folder,
    segmentBytes,
    preallocateBytes: stepBytesOf(segmentBytes),
    reserveBytes: options.reserveBytes ?? MiB,
    visit: (record) => replayRecord(restorer, record),
    onFailed: (reason) => onDamage?.(`the mailbox log failed: ${reason.message}`),
  });
  core.begin(restorer.lastMs);
  restorer.finish();
  const engine = new JournalMailboxes(options, journal, core, records);
  try {
    await engine.reportDamage();
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
  return engine;
}

/** Small: the sync after a step waits for its zeros too. On a full disk, a segment given back is room for the next. */
function stepBytesOf(segmentBytes: number): number {
  return Math.min(MiB, segmentBytes);
}

class JournalMailboxes extends MachineMailboxes implements MailboxEngine {
  readonly durability = 'fsync';
  readonly #journal: Journal;
  readonly #records: RecordBuffer;
  readonly #contents: Contents;
  readonly #committer: Committer;
  readonly #compactor: Compactor;
  readonly #onDamage: (detail: string) => void;
  #closed: Promise<void> | undefined;

  constructor(options: JournalMailboxesOptions, journal: Journal, core: Core, records: RecordBuffer) {
    super(core);
    const segmentBytes = options.segmentBytes ?? 32 * MiB;
    const { clock } = options.env;
    this.#journal = journal;
    this.#records = records;
    this.#onDamage = options.onDamage ?? (() => undefined);
    this.#contents = new Contents(() => journal, options.hotBytesMax ?? 64 * MiB);
    records.onGone = (message) => this.#contents.forget(message);
    this.#committer = new Committer({
      journal,
      core,
      records,
      contents: this.#contents,
      segmentBytes,
      stepBytes: stepBytesOf(segmentBytes),
      afterBatch: () => this.#compactor.consider(),
      freeBytes: () => options.env.disk.freeBytes(),
    });
    this.#compactor = new Compactor({
      journal,
      machine: core.machine,
      committer: this.#committer,
      records,
      logBytesMin: 2 * segmentBytes,
      reserveBytes: options.reserveBytes ?? MiB,
      pause: () => sleep(clock, 0),
      onLost: (message) => this.#reportLost(message),
      onFailure: (error) => this.#onDamage(`the mailbox log could not be compacted: ${String(error)}`),
    });
  }

  /** What the disk lost since the last start: alarms, and dead letters that name what was in them. */
  async reportDamage(): Promise<void> {
    for (const id of missingSegments(this.#journal)) {
      this.#onDamage(`mailbox log segment ${id} is missing: what stood in it is lost`);
    }
    for (const damage of this.#journal.damage.filter(isLoss)) {
      const { segment, startBytes, endBytes, kind } = damage;
      this.#onDamage(`mailbox log segment ${segment}, bytes ${startBytes} to ${endBytes}: ${kind} is damaged`);
    }
    for (const named of await damagedMessages(this.#journal)) {
      this.#reportLost(named);
      await this.#submitBury(named).catch((error: unknown) => {
        // On a full disk the alarm is all there is, until a later start.
        if (!(error instanceof RonError)) throw error;
      });
    }
    this.core.advance();
    this.core.settle();
  }

  get failure(): string | undefined {
    return this.#committer.failure ?? this.#journal.failed?.message;
  }

  get counters(): EngineCounters {
    const { syncs, bytes } = this.#journal.written;
    const { segments, carriedBytes } = this.#compactor.done;
    return {
      ...this.core.machine.life.counters,
      log: { syncs, bytes, compactedSegments: segments, carriedBytes },
    };
  }

  execute<C extends PlainCommand>(command: C): Promise<Outcomes[C['op']]> {
    return this.#committer.submit({
      tenant: command.tenant,
      storing: command.op === 'send',
      bytesMax: bytesMaxOf(command),
      run: () => {
        if (command.op === 'send') this.#checkSend(command);
        return this.core.machine.apply(command);
      },
    });
  }

  async receive(command: Receive): Promise<readonly LeasedMessage[]> {
    const delivered = await this.#committer.submit({
      tenant: command.tenant,
      storing: false,
      bytesMax: bytesMaxOf(command),
      run: () => this.core.machine.apply(command),
    });
    const messages: LeasedMessage[] = [];
    for (const one of delivered) {
      const content = await this.#contentOf(one);
      if (content !== undefined) messages.push(leasedOf(one, content));
    }
    return messages;
  }

  recordTime(): Promise<void> {
    return this.#committer.submit({
      tenant: ownTenant,
      storing: false,
      bytesMax: recordBytes(8),
      run: () => {
        if (this.#records.nowMs > this.#records.toldMs) this.#records.keys([]);
      },
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#compactor.stop();
    await this.#tellTime();
    await this.#committer.close();
    this.core.close();
    await this.#journal[Symbol.asyncDispose]();
  }

  /** Leases, delays and expiry go on from here after the next start. */
  async #tellTime(): Promise<void> {
    const { life, keys } = this.core.machine;
    if (this.failure !== undefined || life.messages.size + keys.size === 0) return;
    await this.recordTime().catch((error: unknown) => {
      // On a full disk nothing but time is lost.
      if (!(error instanceof RonError)) throw error;
    });
  }

  /** What the machine takes for granted. */
  #checkSend({ id }: Send): void {
    if (this.core.machine.life.messages.has(id)) throw new RonError('conflict', 'there is a message with this id');
  }

  /** What was leased and cannot be read becomes a dead letter; the others are delivered. */
  async #contentOf({ message, fence, nonce }: Delivered): Promise<Content | undefined> {
    const content = await this.#read(message);
    if (content !== unreadable && (content !== undefined || message.state === 'gone')) return content;
    const { id, box } = message;
    const key = { tenant: box.tenant.name, box: box.name };
    if (content === unreadable) {
      // The disk may do better next time; after so many attempts it is a dead letter like any other.
      const reason = 'its record could not be read';
      await this.execute({ op: 'nack', ...key, leases: [{ id, fence, nonce }], delayMs: undefined, reason });
      return undefined;
    }
    this.#reportLost(message);
    await this.execute({ op: 'quarantine', ...key, id });
    return undefined;
  }

  /** Undefined: damaged, or gone. */
  async #read(message: Message): Promise<Content | typeof unreadable | undefined> {
    try {
      return await this.#contents.of(message);
    } catch (error) {
      this.#onDamage(`message ${message.id} of box ${message.box.name} cannot be read: ${String(error)}`);
      return unreadable;
    }
  }

  #reportLost({ id, box }: { readonly id: string; readonly box: string | Box }): void {
    const name = typeof box === 'string' ? box : box.name;
    this.#onDamage(`message ${id} of box ${name} is damaged and cannot be delivered`);
  }

  #submitBury(named: NamedMessage): Promise<void> {
    return this.#committer.submit({
      tenant: named.tenant,
      storing: false,
      bytesMax: buriedBytesMax(named),
      run: () => {
        const message = this.core.machine.bury(named);
        this.#records.carried(message, undefined, lostContent);
      },
    });
  }

  protected async shown(message: Message): Promise<Content | undefined> {
    const content = await this.#read(message);
    return content === unreadable ? undefined : content;
  }
}
