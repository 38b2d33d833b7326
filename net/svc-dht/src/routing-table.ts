import type { Clock } from '@ron/kernel';
import type { DhtKey } from '@ron/proto/dht';
import type { Contact, NodeId } from '@ron/proto/network';
import { groupOf } from './address-group.ts';
import { Bucket, type Entry } from './bucket.ts';
import { compareDistance, sharedBits } from './distance.ts';

/** Bounds of a routing table. */
export interface TableRules {
  /** Entries of a bucket: Kademlia’s k. */
  readonly k: number;
  /** Nodes of one address group (/24, /48) in a bucket. */
  readonly groupInBucketMax: number;
  /** Nodes of one address group in the whole table. */
  readonly groupInTableMax: number;
}

export interface TablePorts {
  readonly self: NodeId;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Whether the node answers, and with the id of its contact. Never rejects. */
  alive(contact: Contact): Promise<boolean>;
  /** Neither asked nor told to others, and given no place. */
  isBanned(id: NodeId): boolean;
}

/** Milliseconds for which a node that was heard of is not asked again whether it lives. */
const freshMs = 5 * 60_000;
/** Nodes that are pinged at once because they asked something: what strangers can make this node send. */
const verifyingMax = 4;
/** Calls in a row without an answer after which a node is dropped: one may be a lost message. */
const failuresMax = 3;
/** The same where somebody waits for its place. */
const failuresWithSparesMax = 2;

/**
 * Kademlia’s buckets by shared leading bits (Maymounkov and Mazières, 2002). Only nodes that answered get in; those that have been
 * there long stay as long as they answer, because a node that has been up is likelier to stay up, and because whoever comes with
 * many new ids must not push them out.
 */
export class RoutingTable {
  readonly #rules: TableRules;
  readonly #ports: TablePorts;
  readonly #buckets: (Bucket | undefined)[] = [];
  readonly #groups = new Map<string, number>();
  readonly #verifying = new Set<NodeId>();
  #size = 0;

  constructor(rules: TableRules, ports: TablePorts) {
    this.#rules = rules;
    this.#ports = ports;
  }

  get size(): number {
    return this.#size;
  }

  bucketOf(id: NodeId): number {
    return sharedBits(this.#ports.self, id);
  }

  find(id: NodeId): Entry | undefined {
    return this.#buckets[this.bucketOf(id)]?.find(id);
  }

  /** How many nodes share exactly so many bits. */
  countAt(index: number): number {
    return this.#buckets[index]?.entries.length ?? 0;
  }

  /** The nearest nodes known, by distance. */
  get neighbours(): Contact[] {
    return this.closest(this.#ports.self, this.#rules.k);
  }

  /** The bucket of the k-th nearest node: buckets up to this one have more nodes than they hold. */
  get depth(): number {
    const farthest = this.neighbours.at(-1);
    return farthest === undefined ? 0 : this.bucketOf(farthest.id);
  }

  *buckets(): Generator<readonly [number, Bucket]> {
    for (const [index, bucket] of this.#buckets.entries()) if (bucket !== undefined) yield [index, bucket];
  }

  /** The node answered, over a channel that proved its id. */
  answered(contact: Contact, rttMs: number): void {
    if (contact.id === this.#ports.self || this.#ports.isBanned(contact.id)) return;
    const index = this.bucketOf(contact.id);
    const bucket = this.#bucketAt(index);
    const nowMs = this.#ports.clock.monotonicMs();
    const known = bucket.find(contact.id);
    // It moved: the address that answered counts.
    if (known !== undefined && known.contact.address !== contact.address) this.#evict(bucket, known);
    if (bucket.refresh(contact.id, rttMs, nowMs)) return;
    const entry = { contact, group: groupOf(contact.address), rttMs, sinceMs: nowMs, seenMs: nowMs, failures: 0 };
    if (bucket.entries.length < this.#rules.k && this.#admits(bucket, entry.group)) {
      this.#insert(bucket, entry);
      return;
    }
    bucket.keepSpare(contact);
    this.#challengeOldest(bucket);
  }

  /** The node asked something: it has its id, but whether it is reached at that address only an answer shows. */
  asked(contact: Contact): void {
    const { self } = this.#ports;
    if (contact.id === self || this.#verifying.has(contact.id) || this.#ports.isBanned(contact.id)) return;
    const bucket = this.#bucketAt(this.bucketOf(contact.id));
    if (bucket.find(contact.id) !== undefined) return;
    const wanted = bucket.entries.length < this.#rules.k && this.#admits(bucket, groupOf(contact.address));
    if (!wanted || this.#verifying.size >= verifyingMax) {
      bucket.keepSpare(contact);
      return;
    }
    // An answer of `alive` comes in by `answered`.
    this.#verifying.add(contact.id);
    void this.#ports.alive(contact).then(() => this.#verifying.delete(contact.id));
  }

  /** The node did not answer. */
  failed(id: NodeId): void {
    const bucket = this.#buckets[this.bucketOf(id)];
    const entry = bucket?.find(id);
    bucket?.dropSpare(id);
    if (bucket === undefined || entry === undefined) return;
    entry.failures++;
    if (entry.failures >= (bucket.spares.length > 0 ? failuresWithSparesMax : failuresMax)) this.#evict(bucket, entry);
  }

  /** Up to `count` nodes, nearest first; those that did not answer last time are left out. */
  closest(target: DhtKey, count: number): Contact[] {
    const found: Contact[] = [];
    const own = Math.min(this.bucketOf(target), 255);
    const take = (from: number, to: number) => {
      const some: Contact[] = [];
      for (let index = from; index < to; index++) this.#buckets[index]?.collect(some);
      some.sort((a, b) => compareDistance(target, a.id, b.id));
      for (const contact of some) {
        if (found.length < count && !this.#ports.isBanned(contact.id)) found.push(contact);
      }
    };
    // Nearest are those that share the bit in which this node differs from the target, then all that share more bits with this
    // node than the target does, then, bucket by bucket, those that share fewer.
    take(own, own + 1);
    if (found.length < count) take(own + 1, this.#buckets.length);
    for (let index = own - 1; index >= 0 && found.length < count; index--) take(index, index + 1);
    return found;
  }

  /** The node that has not been heard of for the longest time, if that is longer than `idleMs`. */
  stalest(idleMs: number): Contact | undefined {
    let stalest: Entry | undefined;
    for (const bucket of this.#buckets) {
      const oldest = bucket?.entries[0];
      if (oldest !== undefined && (stalest === undefined || oldest.seenMs < stalest.seenMs)) stalest = oldest;
    }
    const idle = stalest !== undefined && this.#ports.clock.monotonicMs() - stalest.seenMs >= idleMs;
    return idle ? stalest?.contact : undefined;
  }

  /** Gives the places of those who were banned since they got one to others. */
  dropBanned(): void {
    for (const bucket of this.#buckets) {
      for (const entry of bucket?.entries.filter(({ contact }) => this.#ports.isBanned(contact.id)) ?? []) {
        this.#evict(bucket!, entry);
      }
    }
  }

  #bucketAt(index: number): Bucket {
    this.#buckets[index] ??= new Bucket();
    return this.#buckets[index];
  }

  #admits(bucket: Bucket, group: string): boolean {
    const { groupInBucketMax, groupInTableMax } = this.#rules;
    return (this.#groups.get(group) ?? 0) < groupInTableMax && bucket.countOf(group) < groupInBucketMax;
  }

  #insert(bucket: Bucket, entry: Entry): void {
    bucket.insert(entry);
    this.#groups.set(entry.group, (this.#groups.get(entry.group) ?? 0) + 1);
    this.#size++;
  }

  #evict(bucket: Bucket, entry: Entry): void {
    if (!bucket.remove(entry)) return;
    const left = (this.#groups.get(entry.group) ?? 1) - 1;
    if (left === 0) this.#groups.delete(entry.group);
    else this.#groups.set(entry.group, left);
    this.#size--;
    this.#promote(bucket);
  }

  /** One at a time: a flood of newcomers makes this node send one ping a bucket and five minutes. */
  #challengeOldest(bucket: Bucket): void {
    const oldest = bucket.entries[0];
    if (oldest === undefined || bucket.challenging || bucket.entries.length < this.#rules.k) return;
    if (this.#ports.clock.monotonicMs() - oldest.seenMs < freshMs) return;
    bucket.challenging = true;
    void this.#ports.alive(oldest.contact).then((alive) => {
      bucket.challenging = false;
      if (!alive) this.#evict(bucket, oldest);
    });
  }

  /** Asks the newest spare that the bucket may have; it gets in by its answer. */
  #promote(bucket: Bucket): void {
    const spare = bucket.takeSpare(
      ({ id, address }) => !this.#ports.isBanned(id) && this.#admits(bucket, groupOf(address)),
    );
    if (spare !== undefined) void this.#ports.alive(spare);
  }
}
