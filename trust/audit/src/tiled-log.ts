import type { Env, Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { AuditEntry, AuditReceipt } from '@ron/service';
import { openCheckpoint, sameHash, type TileName, tileWidth, treeRoot } from '@ron/tlog';
import { treeHasher, verifyEd25519 } from './hashing.ts';
import { ownEntry } from './leaf.ts';
import type { AuditLog, LogEvents, SignedHead } from './log.ts';
import { LogBody } from './log-body.ts';
import { LogTree } from './log-tree.ts';
import { LogWriter } from './log-writer.ts';
import { Publisher } from './publisher.ts';
import { createReceipt } from './receipts.ts';
import { firstToKeep, type Retention } from './retention.ts';
import type { LogSigner } from './signer.ts';
import type { AuditStore, FoundLog } from './store/store.ts';

/** Who may wait for entries at a time. */
const waitersMax = 1_024;
const retainEveryMs = 3_600_000;

export interface TiledLogParts {
  readonly env: Pick<Env, 'clock'>;
  readonly store: AuditStore;
  readonly found: FoundLog;
  readonly signer: LogSigner;
  readonly retention: Retention;
  readonly publishEveryMs: number;
  readonly onDamage?: ((detail: string) => void) | undefined;
}

/** Takes the store over. What is found is compared with its checkpoint; a log that lost entries can be read only. */
export async function openTiledLog(parts: TiledLogParts): Promise<AuditLog> {
  const { store, found } = parts;
  const readTile = (level: number, number: number) => store.readTile(level, number);
  let tree = new LogTree(readTile);
  let damage = found.damage;
  let tail = found.tail;
  try {
    tree = await LogTree.restore(readTile, found.tiles);
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    damage ??= error.message;
    tail = [];
  }
  for (const entry of tail) tree.append(treeHasher.leaf(entry));
  const { head, problem } = await checkHead(parts, tree);
  damage ??= problem;
  if (damage !== undefined) parts.onDamage?.(damage);
  const log = new TiledLog(parts, new LogBody(store, tree, tail), head, damage);
  if (damage === undefined) await log.begin();
  return log;
}

interface CheckedHead {
  readonly head: SignedHead | undefined;
  /** Why the tree does not go on from it. */
  readonly problem: string | undefined;
}

/** The stored checkpoint, or its copy when one of the few bytes on which everything hangs has gone bad. */
async function checkHead(parts: TiledLogParts, tree: LogTree): Promise<CheckedHead> {
  const { checkpoint, checkpointCopy } = parts.found;
  const own = checkpoint === undefined ? undefined : await openHead(parts, tree, checkpoint);
  if (own?.head !== undefined || checkpointCopy === undefined) return own ?? { head: undefined, problem: undefined };
  const copy = await openHead(parts, tree, checkpointCopy);
  parts.onDamage?.(`${own?.problem ?? 'the checkpoint is missing'}: its copy is used`);
  return copy;
}

async function openHead({ signer }: TiledLogParts, tree: LogTree, text: string): Promise<CheckedHead> {
  try {
    const { size, root } = await openCheckpoint(text, signer.keys(), verifyEd25519);
    const head = { size, root, text };
    if (tree.size < size) return { head, problem: `truncated at index ${tree.size}: the checkpoint covers ${size}` };
    const fits = sameHash(await treeRoot(size, tree.hashes, treeHasher), root);
    return { head, problem: fits ? undefined : `the hashes of entries 0 to ${size} do not fit the checkpoint` };
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    return { head: undefined, problem: `the checkpoint is not good: ${error.message}` };
  }
}

class TiledLog implements AuditLog {
  readonly signer: LogSigner;
  readonly durability: 'memory' | 'fsync';
  readonly #parts: TiledLogParts;
  readonly #body: LogBody;
  readonly #writer: LogWriter;
  readonly #publisher: Publisher;
  readonly #waiters = new Set<() => void>();
  #retaining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #hourly: Timer | undefined;

  constructor(parts: TiledLogParts, body: LogBody, head: SignedHead | undefined, damage: string | undefined) {
    const { store, signer, env } = parts;
    this.signer = signer;
    this.durability = store.durability;
    this.#parts = parts;
    this.#body = body;
    this.#publisher = new Publisher(
      {
        tree: body.tree,
        signer,
        store,
        clock: env.clock,
        everyMs: parts.publishEveryMs,
        onFailed: ({ message }) => this.#writer.fail(message),
        damage,
      },
      head,
    );
    this.#writer = new LogWriter({
      body,
      store,
      clock: env.clock,
      damage,
      onGrown: () => this.#grown(),
      onStored: () => this.#retain(),
    });
  }

  async begin(): Promise<void> {
    await this.#publisher.publish();
    this.#retainEvery();
  }

  /** An idle log grows older too. */
  #retainEvery(): void {
    this.#retain();
    if (this.#parts.retention.daysMax === undefined) return;
    this.#hourly = this.#parts.env.clock.after(retainEveryMs, () => this.#retainEvery());
  }

  get size(): number {
    return this.#body.size;
  }

  get keptFrom(): number {
    return this.#body.keptFrom;
  }

  get failure(): string | undefined {
    return this.#writer.failure ?? this.#publisher.problem;
  }

  get dropped(): number {
    return this.#writer.dropped;
  }

  get hashes() {
    return this.#body.tree.hashes;
  }

  ready(): void {
    this.#writer.ready();
  }

  async record(entry: AuditEntry): Promise<AuditReceipt> {
    const index = await this.#writer.record(entry);
    return { index, proof: () => createReceipt(this, index) };
  }

  offer(entry: AuditEntry): void {
    this.#writer.offer(entry);
  }

  checkpoint(covering?: number): Promise<SignedHead> {
    // What is damaged must not be signed: only what was published before stands.
    if (this.#writer.failure !== undefined && covering === undefined && this.#publisher.published !== undefined) {
      return Promise.resolve(this.#publisher.published);
    }
    return this.#publisher.covering(covering);
  }

  read(from: number, to: number) {
    return this.#body.read(from, to);
  }

  tile(name: TileName) {
    return this.#body.tile(name);
  }

  observe(events: LogEvents): void {
    this.#writer.events = events;
  }

  async grown(size: number, waitMs: number, signal?: AbortSignal): Promise<number> {
    if (this.size > size || waitMs === 0 || this.#closing !== undefined || signal?.aborted) return this.size;
    if (this.#waiters.size >= waitersMax) {
      throw new RonError('unavailable', 'too many wait for entries already', {
        retryAfterMs: 1_000,
        details: { gate: 'waiting' },
      });
    }
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        signal?.removeEventListener('abort', done);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = this.#parts.env.clock.after(waitMs, done);
      signal?.addEventListener('abort', done, { once: true });
      this.#waiters.add(done);
    });
    return this.size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const wake of [...this.#waiters]) wake();
    this.#hourly?.cancel();
    await this.#retaining;
    await this.#writer.close();
    // The last checkpoint covers everything, so that nothing can be cut off unnoticed while the node is off.
    if (this.#writer.failure === undefined) await this.#publisher.covering(this.size).catch(unavailableOnly);
    await this.#publisher.stop();
    await this.#parts.store[Symbol.asyncDispose]();
  }

  #grown(): void {
    this.#publisher.soon();
    for (const wake of [...this.#waiters]) wake();
  }

  /** The log notes what it gives up before it does, so that whoever checks it knows that nobody else took it. */
  #retain(): void {
    if (this.#closing !== undefined || Object.keys(this.#parts.retention).length === 0) return;
    this.#retaining ??= this.#dropOld()
      .catch((error: unknown) => this.#parts.onDamage?.(`retention: ${(error as Error).message}`))
      .finally(() => {
        this.#retaining = undefined;
      });
  }

  async #dropOld(): Promise<void> {
    const { retention, store, env } = this.#parts;
    const first = await firstToKeep(retention, { body: this.#body, store }, env.clock.wallMs());
    if (first === store.bundlesFrom) return;
    await this.#writer.record(ownEntry('audit.retention', { kept_from: String(first * tileWidth) }), true);
    await store.dropBundles(first);
  }
}

function unavailableOnly(error: unknown): void {
  if (!(error instanceof RonError)) throw error;
}
