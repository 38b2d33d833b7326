import type { Timer } from '@ron/kernel';
import type { Contact } from '@ron/proto/network';
import type { DhtNode } from './dht-node.ts';
import { withFlippedBit } from './distance.ts';
import type { Publisher } from './publisher.ts';
import type { TableMemory } from './table-memory.ts';

/** Entries of a bucket at which looking for more of them ends. */
const filledShare = 0.5;
/** Milliseconds after which a node that was not heard of is asked whether it lives. */
const idleMs = 10 * 60_000;
/** Seeds that are asked. */
const seedsMax = 32;
/** Full lookups of random points while joining: with the one of the own id, samples of the network's size. */
const samplesAtStart = 2;

export interface UpkeepOptions {
  readonly failed?: (error: unknown) => void;
  /** Where the table outlives the process. */
  readonly memory?: TableMemory;
}

/** How a node gets into the network and stays in it. */
export class Upkeep implements AsyncDisposable {
  readonly #node: DhtNode;
  readonly #publisher: Publisher;
  readonly #seeds: () => readonly Contact[];
  readonly #failed: (error: unknown) => void;
  readonly #memory: TableMemory | undefined;
  #hasRecalled = false;
  #timer: Timer | undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;
  #seedsAnswered = 0;
  #knowsClosest = false;
  #refreshed = new Map<number, number>();

  constructor(
    node: DhtNode,
    publisher: Publisher,
    seeds: () => readonly Contact[],
    { failed = () => undefined, memory }: UpkeepOptions = {},
  ) {
    this.#node = node;
    this.#publisher = publisher;
    this.#seeds = seeds;
    this.#failed = failed;
    this.#memory = memory;
  }

  /** Why the node is not ready to find or keep anything; undefined when it is. */
  get unready(): string | undefined {
    const others = this.#seeds().filter(({ id }) => id !== this.#node.id);
    if (others.length === 0 && this.#node.table.size === 0) return undefined;
    if (this.#seedsAnswered === 0 && this.#node.table.size === 0) return `none of ${others.length} seeds has answered`;
    return this.#knowsClosest ? undefined : 'the nearest nodes are not known yet';
  }

  /** Joins, and from then on looks after the table until it is closed. Resolves once it has joined, or failed to for now. */
  start(): Promise<void> {
    this.#working = this.join()
      .catch(this.#failed)
      .then(() => this.#plan());
    return this.#working;
  }

  /** Asks the seeds, finds the own neighbourhood, then fills the buckets farther away. */
  async join(): Promise<void> {
    const { id } = this.#node;
    const seeds = this.#seeds().filter((seed) => seed.id !== id);
    const answers = await Promise.all(seeds.slice(0, seedsMax).map((seed) => this.#node.alive(seed)));
    this.#seedsAnswered = answers.filter(Boolean).length;
    await this.#recall();
    if (this.#node.table.size === 0) return;
    await this.#findClosest();
    for (let index = 0; index < Math.min(samplesAtStart, this.#node.table.depth); index++) {
      await this.#lookInto(index, this.#node.rules.table.k);
    }
    for (let index = this.#node.table.depth; index >= 0 && !this.#closed; index--) await this.#fill(index);
    const nowMs = this.#node.ports.clock.monotonicMs();
    for (let index = 0; index <= this.#node.table.depth + 1; index++) this.#refreshed.set(index, nowMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#publisher.close();
    this.#timer?.cancel();
    await this.#working;
    await this.#memory?.keep(this.#node.id, this.#node.table).catch(this.#failed);
  }

  /** Asks those whom an earlier process knew whether they live; once. */
  async #recall(): Promise<void> {
    if (this.#hasRecalled || this.#memory === undefined) return;
    this.#hasRecalled = true;
    const { contacts } = this.#memory;
    for (let from = 0; from < contacts.length && !this.#closed; from += seedsMax) {
      await Promise.all(contacts.slice(from, from + seedsMax).map((contact) => this.#node.alive(contact)));
    }
  }

  async #findClosest(): Promise<void> {
    const { complete, nearest } = await this.#node.findNodes({ paths: [this.#node.id] });
    if (complete && nearest[0]!.length > 0) this.#knowsClosest = true;
  }

  /** A lookup into the bucket until it is nearly full. */
  async #fill(index: number): Promise<void> {
    const { table, rules } = this.#node;
    const goal = rules.table.k * filledShare;
    if (table.countAt(index) >= goal) return;
    await this.#lookInto(index, rules.table.k - 1, () => table.countAt(index) >= goal);
  }

  async #lookInto(index: number, width: number, enough?: () => boolean): Promise<void> {
    this.#refreshed.set(index, this.#node.ports.clock.monotonicMs());
    const point = this.#node.pointInBucket(index, withFlippedBit(this.#node.id, index));
    await this.#node.findNodes({ paths: [point], width, ...(enough === undefined ? {} : { enough }) });
  }

  #plan(): void {
    if (this.#closed) return;
    const { random, clock } = this.#node.ports;
    // Spread, so that nodes that start together do not work together.
    const afterMs = this.#node.rules.upkeepMs * (0.5 + random.unit());
    this.#timer = clock.after(afterMs, () => {
      this.#working = this.#tick()
        .catch(this.#failed)
        .then(() => this.#plan());
    });
  }

  async #tick(): Promise<void> {
    const { table, store } = this.#node;
    store.sweep(Math.ceil(store.size / 60) + 1);
    table.dropBanned();
    if (table.size === 0 || !this.#knowsClosest) await this.join();
    // What is announced waits for somebody to tell it to.
    if (table.size === 0 || this.#closed) return;
    const stale = table.stalest(idleMs);
    if (stale !== undefined) await this.#node.alive(stale);
    await this.#refreshOne();
    if (this.#closed) return;
    await this.#memory?.keep(this.#node.id, table);
    await this.#publisher.publishNew();
    await this.#publisher.sweep();
  }

  /** The bucket that was not looked into for longest, if its time has come; every other time the own neighbourhood. */
  async #refreshOne(): Promise<void> {
    const { table, rules, ports } = this.#node;
    const depth = table.depth + 1;
    const nowMs = ports.clock.monotonicMs();
    for (let index = depth; index >= 0; index--) {
      if (nowMs - (this.#refreshed.get(index) ?? Number.NEGATIVE_INFINITY) < rules.refreshMs) continue;
      if (index < depth) await this.#lookInto(index, index < samplesAtStart ? rules.table.k : 3);
      else {
        this.#refreshed.set(index, nowMs);
        await this.#findClosest();
      }
      return;
    }
  }
}
