import type { SimEnv, SimRandom } from '@ron/kernel/sim';
import { RonError } from '@ron/proto/errors';
import {
  type Change,
  createRamNames,
  type Head,
  type NameEngine,
  type NameRecord,
  type Outcome,
  type VersionPosition,
} from '@ron/svc-index/service';

interface Waiting {
  readonly change: Change;
  readonly done: (outcome: Outcome) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Stands in for LMDB, a native addon that cannot run on a simulated disk: the file that outlives processes. What it
 * promises is LMDB's own contract, assumed here and not tested: transactions are atomic and ordered, and an
 * acknowledged one survives. Of the unacknowledged ones a crash keeps the first few, by chance.
 */
export class SimulatedLmdb {
  /** Commits that fail from now on, as an I/O error under LMDB would make them. */
  failCommits = 0;
  /** For a canary: acknowledges before anything is kept. */
  readonly #early: boolean;
  readonly #random: SimRandom;
  readonly #kept = createRamNames();
  readonly #waiting: Waiting[] = [];
  /** The open engine takes no changes: a commit failed in this life. */
  failed = false;
  survivors = 0;
  casualties = 0;

  constructor(random: SimRandom, early: boolean) {
    this.#random = random;
    this.#early = early;
  }

  /** The engine of one process. */
  open(env: SimEnv): NameEngine {
    return new OpenLmdb(this, this.#kept, env, this.#random);
  }

  enqueue(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#early) waiting.done('done');
  }

  /** One transaction for all that wait. Gives back what is to be told to whom, for after the sync. */
  async commit(): Promise<readonly (() => void)[]> {
    const batch = this.#waiting.splice(0);
    const answers: (() => void)[] = [];
    for (const { change, done } of batch) {
      const outcome = await this.#kept.change(change);
      answers.push(() => done(outcome));
    }
    return answers;
  }

  refuseAll(error: unknown): void {
    for (const { failed } of this.#waiting.splice(0)) failed(error);
  }

  /** The process died: a part of what was not acknowledged was written all the same. */
  async crash(): Promise<void> {
    this.failed = false;
    const batch = this.#waiting.splice(0);
    const survivors = this.#early ? 0 : this.#random.integer(batch.length + 1);
    for (const { change } of batch.slice(0, survivors)) await this.#kept.change(change);
    this.survivors += survivors;
    this.casualties += batch.length - survivors;
  }
}

class OpenLmdb implements NameEngine {
  readonly durability = 'fsync';
  failure: string | undefined;
  readonly #file: SimulatedLmdb;
  readonly #kept: NameEngine;
  readonly #env: SimEnv;
  readonly #random: SimRandom;
  #committing = false;

  constructor(file: SimulatedLmdb, kept: NameEngine, env: SimEnv, random: SimRandom) {
    this.#file = file;
    this.#kept = kept;
    this.#env = env;
    this.#random = random;
  }

  size() {
    return this.#kept.size();
  }

  head(name: string) {
    return this.#kept.head(name) as Head | undefined;
  }

  change(change: Change): Promise<Outcome> {
    if (this.failure !== undefined) throw new RonError('unavailable', 'the index takes no changes');
    return new Promise((done, failed) => {
      this.#file.enqueue({ change, done, failed });
      this.#begin();
    });
  }

  history(name: string, belowVersion: number, limit: number) {
    return this.#kept.history(name, belowVersion, limit) as readonly NameRecord[];
  }

  list(prefix: string, after: string | undefined, limit: number) {
    return this.#kept.list(prefix, after, limit) as readonly Head[];
  }

  versions(after: VersionPosition | undefined, limit: number) {
    return this.#kept.versions(after, limit) as readonly NameRecord[];
  }

  /** What is kept stays for the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.failure = 'closed';
  }

  /** Changes that come while a transaction syncs wait for the next one. */
  #begin(): void {
    if (this.#committing) return;
    this.#committing = true;
    this.#env.clock.after(0.2 + this.#random.unit() * 3, () => void this.#commit(), 'lmdb commit');
  }

  async #commit(): Promise<void> {
    if (this.#file.failCommits > 0) {
      this.#file.failCommits -= 1;
      this.#file.failed = true;
      this.failure = 'a write to the index failed: it is read-only until a restart';
      this.#file.refuseAll(new RonError('unavailable', 'the index takes no changes'));
      return;
    }
    const answers = await this.#file.commit();
    this.#env.clock.after(
      this.#random.unit(),
      () => {
        this.#committing = false;
        for (const answer of answers) answer();
        this.#begin();
      },
      'lmdb synced',
    );
  }
}
