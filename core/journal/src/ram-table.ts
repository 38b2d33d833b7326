import { RonError } from '@ron/proto/errors';
import type { Decision, Table, TableLimits, TableView } from './table.ts';
import { costOf, type Held, heldFrom, TableDraft } from './table-draft.ts';
import type { TableLog } from './table-log.ts';

interface Transaction<V> {
  readonly decide: (table: TableView<V>) => Decision<V, unknown>;
  readonly urgent: boolean;
  readonly resolve: (result: never) => void;
  readonly reject: (reason: unknown) => void;
}

const waitingMax = 4_096;
/** A batch is one record of the log, which has at most 16 MiB. */
const batchCharactersMax = 2 * 1024 * 1024;

/**
 * The table in memory; with a log, every change is in it before it is here. Transactions that come while one is being
 * stored are decided one after the other and stored together, so that they share one sync.
 */
export class RamTable<V> implements Table<V> {
  readonly #limits: TableLimits;
  /** Absent: in memory only. */
  readonly #log: TableLog | undefined;
  readonly #entries = new Map<string, Held<V>>();
  readonly #waiting: Transaction<V>[] = [];
  #characters = 0;
  #running: Promise<void> | undefined;
  #rewriting: AsyncIterator<void> | undefined;
  #closed = false;

  constructor(limits: TableLimits, log?: TableLog, found: ReadonlyMap<string, string> = new Map()) {
    this.#limits = limits;
    this.#log = log;
    for (const [key, json] of found) {
      const held = heldFrom<V>(json);
      this.#entries.set(key, held);
      this.#characters += costOf(key, held);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get failed(): string | undefined {
    return this.#log?.failed;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  *entries(prefix = ''): Iterable<readonly [string, V]> {
    for (const [key, { value }] of this.#entries) if (key.startsWith(prefix)) yield [key, value];
  }

  transact<T>(
    decide: (table: TableView<V>) => Decision<V, T>,
    { urgent = false }: { readonly urgent?: boolean } = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) throw new RonError('unavailable', 'the table is closed');
      if (this.#waiting.length >= waitingMax) throw new RonError('unavailable', 'too many changes wait');
      this.#waiting.push({ decide, urgent, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#log?.close();
  }

  async #run(): Promise<void> {
    // Those of one turn come together.
    await undefined;
    do {
      if (this.#waiting.length > 0) await this.#batch();
      // Who waits for a revocation waits for one step of this at most.
    } while ((await this.#rewriteMore()) || this.#waiting.length > 0);
    this.#running = undefined;
  }

  /** True when there is more of it. */
  async #rewriteMore(): Promise<boolean> {
    this.#rewriting ??= this.#log?.rewrite(this.#characters, this.#all());
    const step = await this.#rewriting?.next();
    if (step?.done === false && !this.#closed) return true;
    this.#rewriting = undefined;
    return false;
  }

  async #batch(): Promise<void> {
    const draft = new TableDraft<V>(this.#entries, this.#characters, this.#limits);
    const { urgent } = this.#waiting[0]!;
    const decided: (() => void)[] = [];
    const rejects: ((reason: unknown) => void)[] = [];
    let characters = 0;
    while (this.#waiting[0]?.urgent === urgent && characters < batchCharactersMax) {
      const { decide, resolve, reject } = this.#waiting.shift()!;
      try {
        const { changes, result } = decide(draft);
        draft.apply(changes);
        for (const [key] of changes) characters += costOf(key, draft.changes.get(key));
        decided.push(() => resolve(result as never));
        rejects.push(reject);
      } catch (error) {
        reject(error);
      }
    }
    try {
      if (draft.changes.size > 0) await this.#store(draft, urgent);
    } catch (error) {
      // What one of them read, another of them may have written: none of it happened.
      for (const reject of rejects) reject(error);
      return;
    }
    for (const resolve of decided) resolve();
  }

  async #store(draft: TableDraft<V>, urgent: boolean): Promise<void> {
    await this.#log?.append(
      [...draft.changes].map(([key, held]) => [key, held?.json] as const),
      urgent,
    );
    for (const [key, held] of draft.changes) {
      if (held === undefined) this.#entries.delete(key);
      else this.#entries.set(key, held);
    }
    this.#characters = draft.characters;
  }

  /** As they are when their turn comes: a map's iterator goes on with what is there. */
  *#all(): Iterable<readonly [string, string]> {
    for (const [key, { json }] of this.#entries) yield [key, json];
  }
}
