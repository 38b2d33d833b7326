import type { Clock, Random } from '@ron/kernel';
import { type DhtKey, dhtLimits, type ProviderRecord, type RecordRefusal } from '@ron/proto/dht';
import type { NodeId } from '@ron/proto/network';
import { toHex } from '@ron/transport';
import { groupOf } from './address-group.ts';

/** Bounds of what others may make this node keep. A record takes about 1 KiB of memory. */
export interface StoreRules {
  readonly recordsMax: number;
  readonly recordsOfKeyMax: number;
  readonly recordsOfProviderMax: number;
  /** Records of one key from one address group (/24, /48). */
  readonly groupOfKeyMax: number;
}

export interface StorePorts {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly random: Random;
  blake3(bytes: Uint8Array): Uint8Array;
}

interface Kept {
  readonly record: ProviderRecord;
  readonly group: string;
  /** Place in `#all`. */
  at: number;
  /** Under the secret; the smaller stays. Worked out when there is a rival. */
  rank: string;
}

/** Records looked at to find one of a network that keeps many. */
const victimsDrawn = 16;
const encoder = new TextEncoder();

/**
 * Provider records of others, in memory. Where room ends, who gets it does not depend on who came first or last, both of which an
 * attacker chooses: the records of a key compete by a hash of their network under a secret of this node, and in the whole store
 * networks with many records give way to those with few.
 */
export class RecordStore {
  readonly #rules: StoreRules;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #random: Random;
  readonly #secret: string;
  readonly #blake3: (bytes: Uint8Array) => Uint8Array;
  readonly #byKey = new Map<DhtKey, Map<NodeId, Kept>>();
  readonly #all: Kept[] = [];
  readonly #ofProvider = new Map<NodeId, number>();
  readonly #ofGroup = new Map<string, number>();
  #swept = 0;

  constructor(rules: StoreRules, { clock, random, blake3 }: StorePorts) {
    this.#rules = rules;
    this.#clock = clock;
    this.#random = random;
    this.#blake3 = blake3;
    this.#secret = toHex(random.bytes(32));
  }

  get size(): number {
    return this.#all.length;
  }

  get keys(): number {
    return this.#byKey.size;
  }

  /** Takes a record that was checked, or says why not. */
  put(record: ProviderRecord): RecordRefusal | undefined {
    const { key, provider } = record;
    const before = this.#byKey.get(key)?.get(provider.id);
    if (before !== undefined) {
      if (before.record.sequence > record.sequence) return 'stale';
      this.#remove(before);
    }
    const entry: Kept = { record, group: groupOf(provider.address), at: 0, rank: '' };
    const refusal = this.#makeRoom(entry);
    // The older record was the provider's own word too: what takes its place can only fit as well, unless it moved.
    if (refusal === undefined) this.#insert(entry);
    return refusal;
  }

  /** Records of a key that have not expired, at most as many as an answer holds, drawn anew each time. */
  recordsOf(key: DhtKey): ProviderRecord[] {
    const nowMs = this.#clock.wallMs();
    const found: ProviderRecord[] = [];
    for (const { record } of this.#byKey.get(key)?.values() ?? []) if (record.expires_at > nowMs) found.push(record);
    if (found.length > dhtLimits.answerRecordsMax) this.#shuffle(found);
    return found.slice(0, dhtLimits.answerRecordsMax);
  }

  /** Looks at `count` records and drops those that expired; called often, so that no call is long. */
  sweep(count: number): number {
    const nowMs = this.#clock.wallMs();
    let dropped = 0;
    for (let looked = 0; looked < count && this.#all.length > 0; looked++) {
      this.#swept = (this.#swept + 1) % this.#all.length;
      const entry = this.#all[this.#swept]!;
      if (entry.record.expires_at > nowMs) continue;
      this.#remove(entry);
      dropped++;
    }
    return dropped;
  }

  #makeRoom(entry: Kept): RecordRefusal | undefined {
    const { recordsMax, recordsOfProviderMax } = this.#rules;
    if ((this.#ofProvider.get(entry.record.provider.id) ?? 0) >= recordsOfProviderMax) return 'full';
    const loser = this.#loserOfKey(entry);
    if (loser === entry) return 'full';
    if (loser === undefined && this.#all.length >= recordsMax) {
      const victim = this.#recordOfLargeGroup();
      if (this.#countOf(victim.group) <= this.#countOf(entry.group) + 1) return 'full';
      this.#remove(victim);
    }
    if (loser !== undefined) this.#remove(loser);
    return undefined;
  }

  /** Who has to go, the newcomer perhaps, when the key has more than its share; undefined when there is room. */
  #loserOfKey(newcomer: Kept): Kept | undefined {
    const { recordsOfKeyMax, groupOfKeyMax } = this.#rules;
    const kept = this.#byKey.get(newcomer.record.key);
    if (kept === undefined) return undefined;
    let sameGroup = 0;
    for (const { group } of kept.values()) if (group === newcomer.group) sameGroup++;
    const rivals = (entry: Kept) => sameGroup < groupOfKeyMax || entry.group === newcomer.group;
    if (sameGroup < groupOfKeyMax && kept.size < recordsOfKeyMax) return undefined;
    let loser = newcomer;
    for (const entry of kept.values()) if (rivals(entry) && this.#rankOf(entry) > this.#rankOf(loser)) loser = entry;
    return loser;
  }

  /** Expired ones lose first; then by network, then by id, under a secret that nobody can aim at. */
  #rankOf(entry: Kept): string {
    const { key, provider, expires_at } = entry.record;
    if (expires_at <= this.#clock.wallMs()) return 'expired';
    if (entry.rank === '') {
      const digest = (text: string) => toHex(this.#blake3(encoder.encode(`${this.#secret} ${text}`))).slice(0, 16);
      entry.rank = digest(`${key} ${entry.group}`) + digest(provider.id);
    }
    return entry.rank;
  }

  /** Drawn by records, so networks with many are found; no list of networks has to be searched. */
  #recordOfLargeGroup(): Kept {
    const draw = () => this.#all[Math.floor(this.#random.unit() * this.#all.length)]!;
    let found = draw();
    for (let drawn = 1; drawn < victimsDrawn; drawn++) {
      const entry = draw();
      if (this.#countOf(entry.group) > this.#countOf(found.group)) found = entry;
    }
    return found;
  }

  #countOf(group: string): number {
    return this.#ofGroup.get(group) ?? 0;
  }

  #insert(entry: Kept): void {
    const { key, provider } = entry.record;
    let ofKey = this.#byKey.get(key);
    if (ofKey === undefined) {
      ofKey = new Map();
      this.#byKey.set(key, ofKey);
    }
    ofKey.set(provider.id, entry);
    entry.at = this.#all.push(entry) - 1;
    add(this.#ofProvider, provider.id, 1);
    add(this.#ofGroup, entry.group, 1);
  }

  #remove(entry: Kept): void {
    const { key, provider } = entry.record;
    const ofKey = this.#byKey.get(key);
    ofKey?.delete(provider.id);
    if (ofKey?.size === 0) this.#byKey.delete(key);
    const last = this.#all.pop()!;
    if (last !== entry) {
      this.#all[entry.at] = last;
      last.at = entry.at;
    }
    add(this.#ofProvider, provider.id, -1);
    add(this.#ofGroup, entry.group, -1);
  }

  #shuffle(records: ProviderRecord[]): void {
    for (let left = records.length; left > 1; left--) {
      const other = Math.floor(this.#random.unit() * left);
      [records[left - 1], records[other]] = [records[other]!, records[left - 1]!];
    }
  }
}

function add<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
