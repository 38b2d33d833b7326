import { type DhtKey, dhtLimits, type ProviderRecord } from '@ron/proto/dht';
import { RonError } from '@ron/proto/errors';
import type { Contact } from '@ron/proto/network';
import { type DhtNode, isSilence } from './dht-node.ts';
import { signRecord } from './record.ts';
import { nodesOfRegion } from './region.ts';
import { isNear } from './search.ts';

/** Nodes that a region's records are sent to at once. */
const sendingMax = 8;
/** Hex digits by which announced keys are grouped, so that a region's are found without looking at all. */
const shelfDigits = 4;
/** Keys announced and not yet published; beyond it they wait for their turn of the sweep. */
const hurriedMax = 10_000;

export interface Published {
  readonly keys: number;
  /** Regions looked through. */
  readonly regions: number;
  /** Records that a node has taken, over all nodes. */
  readonly stored: number;
  /** Keys that at least one node has taken. */
  readonly placed: number;
  /** Those that nobody has taken. */
  readonly missed: readonly DhtKey[];
}

/**
 * What this node announces. Keys of one region have the same nodes, so they are published together: one look through the region, then
 * each of its nodes gets all of them. The sweep goes once through the whole space in `republishMs`, at an even pace.
 */
export class Publisher {
  readonly #node: DhtNode;
  readonly #shelves = new Map<string, Set<DhtKey>>();
  readonly #hurried = new Set<DhtKey>();
  #size = 0;
  /** Share of the space that the sweep has gone through, and that it should have. */
  #swept = 0;
  #due = 0;
  #closed = false;
  #lastMs: number | undefined;
  readonly totals = { regions: 0, stored: 0 };

  constructor(node: DhtNode) {
    this.#node = node;
  }

  get size(): number {
    return this.#size;
  }

  /** Throws `insufficient_storage` past the bound. True for a key that was not announced yet. */
  add(key: DhtKey): boolean {
    const name = key.slice(0, shelfDigits);
    const shelf = this.#shelves.get(name);
    if (shelf?.has(key)) return false;
    if (this.#size >= this.#node.rules.publishedMax) {
      throw new RonError(
        'insufficient_storage',
        `this node announces at most ${this.#node.rules.publishedMax} objects`,
      );
    }
    if (shelf === undefined) this.#shelves.set(name, new Set([key]));
    else shelf.add(key);
    this.#size++;
    if (this.#hurried.size < hurriedMax) this.#hurried.add(key);
    return true;
  }

  remove(key: DhtKey): boolean {
    const name = key.slice(0, shelfDigits);
    const shelf = this.#shelves.get(name);
    if (shelf === undefined || !shelf.delete(key)) return false;
    if (shelf.size === 0) this.#shelves.delete(name);
    this.#hurried.delete(key);
    this.#size--;
    return true;
  }

  /** What has not been published since it was announced. */
  async publishNew(): Promise<Published> {
    const keys = [...this.#hurried];
    this.#hurried.clear();
    const published = await this.publish(keys);
    for (const key of published.missed) if (this.#hurried.size < hurriedMax) this.#hurried.add(key);
    return published;
  }

  /** The regions whose turn has come, each as a whole. */
  async sweep(): Promise<Published> {
    const { clock } = this.#node.ports;
    const nowMs = clock.monotonicMs();
    this.#due += (nowMs - (this.#lastMs ?? nowMs)) / this.#node.rules.republishMs;
    this.#lastMs = nowMs;
    const regions = 2 ** Math.min(this.#node.regionBits, shelfDigits * 4);
    const from = this.#swept;
    const to = Math.min(1, Math.floor(this.#due * regions) / regions);
    this.#swept = Math.max(from, to);
    if (to === 1) {
      this.#swept = 0;
      this.#due = 0;
    }
    return this.publish(this.#between(from, to));
  }

  /** All that is announced. */
  sweepAll(): Promise<Published> {
    return this.publish(this.#between(0, 1));
  }

  /** What is under way ends with its region. */
  close(): void {
    this.#closed = true;
  }

  async publish(keys: readonly DhtKey[]): Promise<Published> {
    const byRegion = new Map<string, DhtKey[]>();
    const { regionBits } = this.#node;
    for (const key of keys) {
      const region = regionName(key, regionBits);
      const of = byRegion.get(region);
      if (of === undefined) byRegion.set(region, [key]);
      else of.push(key);
    }
    let stored = 0;
    const missed: DhtKey[] = [];
    for (const of of byRegion.values()) {
      if (this.#closed) missed.push(...of);
      else stored += await this.#publishRegion(of, missed);
    }
    this.totals.regions += byRegion.size;
    this.totals.stored += stored;
    return { keys: keys.length, regions: byRegion.size, stored, placed: keys.length - missed.length, missed };
  }

  async #publishRegion(keys: readonly DhtKey[], missed: DhtKey[]): Promise<number> {
    const { contact, ports, rules } = this.#node;
    const nodes = await nodesOfRegion(this.#node, keys[0]!);
    let stored = 0;
    for (let from = 0; from < keys.length; from += dhtLimits.provideRecordsMax) {
      const some = keys.slice(from, from + dhtLimits.provideRecordsMax);
      const nowMs = ports.clock.wallMs();
      const fields = { provider: contact, nowMs, ttlMs: rules.recordTtlMs };
      const records = await Promise.all(some.map((key) => signRecord(ports.signer, { ...fields, key })));
      const taken = await this.#send(nodes, records);
      stored += taken.stored;
      // Nodes say how many they took and not which: the count of the best one is what is certain.
      missed.push(...some.slice(taken.most));
    }
    return stored;
  }

  async #send(nodes: readonly Contact[], records: ProviderRecord[]): Promise<{ stored: number; most: number }> {
    const { store } = this.#node;
    let stored = 0;
    let most = 0;
    const left = [...nodes];
    const next = async (): Promise<void> => {
      for (let peer = left.pop(); peer !== undefined; peer = left.pop()) {
        const count = await this.#provide(peer, records);
        stored += count;
        most = Math.max(most, count);
      }
    };
    await Promise.all(Array.from({ length: Math.min(sendingMax, nodes.length) }, next));
    // One of the region itself: this node keeps its own records too.
    let own = 0;
    for (const record of records) if (isNear(this.#node, record.key) && store.put(record) === undefined) own++;
    most = Math.max(most, own);
    return { stored, most };
  }

  async #provide(peer: Contact, records: ProviderRecord[]): Promise<number> {
    const { ports, rules } = this.#node;
    try {
      const { stored } = await this.#node.asking(peer, (asker) =>
        ports.ask(peer, 'provide', { records, asker }, rules.rpcTimeoutMs),
      );
      return Math.min(stored, records.length);
    } catch (error) {
      // A node that refuses or is silent is one of many; the next sweep tries it again.
      if (isSilence(error) || error instanceof RonError) return 0;
      throw error;
    }
  }

  #between(from: number, to: number): DhtKey[] {
    const shelves = 16 ** shelfDigits;
    const keys: DhtKey[] = [];
    for (const [name, shelf] of this.#shelves) {
      const at = Number.parseInt(name, 16) / shelves;
      if (at >= from && at < to) keys.push(...shelf);
    }
    return keys;
  }
}

/** The first bits of a key, as text. */
function regionName(key: DhtKey, bits: number): string {
  if (bits >= 256) return key;
  const whole = bits >> 2;
  const rest = bits & 3;
  const digit = rest === 0 ? '' : (Number.parseInt(key[whole]!, 16) >> (4 - rest)).toString();
  return `${key.slice(0, whole)}.${digit}`;
}
