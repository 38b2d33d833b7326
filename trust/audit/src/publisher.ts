import type { Clock, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { SignedHead } from './log.ts';
import type { LogTree } from './log-tree.ts';
import type { LogSigner } from './signer.ts';
import { type AuditStore, StoreError } from './store/store.ts';

/** After an attempt that published nothing. */
const retryMs = 1_000;

/** How long new entries may wait for the next checkpoint when nobody asks for one. */
export const publishEveryMsDefault = 50;

/** Signs the tree as it is, stores the checkpoint, and only then shows it. One at a time. */
export class Publisher {
  readonly #tree: LogTree;
  readonly #signer: LogSigner;
  readonly #store: AuditStore;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #everyMs: number;
  readonly #onFailed: (error: StoreError) => void;
  #published: SignedHead | undefined;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  /** Why the last attempt published nothing. */
  problem: string | undefined;

  constructor(
    parts: {
      readonly tree: LogTree;
      readonly signer: LogSigner;
      readonly store: AuditStore;
      readonly clock: Pick<Clock, 'after'>;
      readonly everyMs: number;
      readonly onFailed: (error: StoreError) => void;
      /** Why nothing may be signed: what is there is not what was published. */
      readonly damage: string | undefined;
    },
    published: SignedHead | undefined,
  ) {
    this.#tree = parts.tree;
    this.#signer = parts.signer;
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#everyMs = parts.everyMs;
    this.#onFailed = parts.onFailed;
    this.#published = published;
    this.problem = parts.damage;
    this.#stopped = parts.damage !== undefined;
  }

  get published(): SignedHead | undefined {
    return this.#published;
  }

  /** There are new entries: a checkpoint follows within `everyMs`. */
  soon(afterMs = this.#everyMs): void {
    if (this.#stopped || this.#timer !== undefined || this.#running !== undefined) return;
    this.#timer = this.#clock.after(afterMs, () => void this.publish());
  }

  /** Never rejects: `problem` and `published` tell the outcome. */
  publish(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#stopped) return Promise.resolve();
    this.#running ??= this.#once().finally(() => {
      this.#running = undefined;
      if (this.problem !== undefined) this.soon(retryMs);
      else if (this.#published?.size !== this.#tree.size) this.soon();
    });
    return this.#running;
  }

  async #once(): Promise<void> {
    const head = { size: this.#tree.size, root: this.#tree.root() };
    if (head.size === this.#published?.size) return;
    try {
      const text = await this.#signer.sign(head);
      await this.#store.putCheckpoint(text);
      this.#published = { ...head, text };
      this.problem = undefined;
    } catch (error) {
      this.problem = `no checkpoint: ${(error as Error).message}`;
      if (!(error instanceof StoreError) || error.reason === 'full') return;
      this.#stopped = true;
      this.#onFailed(error);
    }
  }

  /** See `AuditLog.checkpoint`. */
  async covering(size: number | undefined): Promise<SignedHead> {
    const wanted = size ?? this.#tree.size;
    // The first may have begun before the entries in question were there.
    for (let round = 0; round < 2 && (this.#published?.size ?? -1) < wanted; round += 1) {
      await this.publish();
      if (this.problem !== undefined) break;
    }
    const head = this.#published;
    if (head !== undefined && (size === undefined || head.size >= size)) return head;
    const reason = this.problem ?? 'there is no checkpoint over that entry';
    throw new RonError('unavailable', `the audit log cannot prove this now: ${reason}`, { details: { gate: 'audit' } });
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#running;
  }
}
