import type { Clock, Timer } from '@ron/kernel';
import { type PlaceInput, type PlaceOutput, type PlaceRefusal, placeTtlMsMax } from '@ron/proto/exchange';
import type { NodeId } from '@ron/proto/network';
import type { Static } from 'typebox';

/** Where copies for others are kept. */
export interface Keeper {
  /** Bytes that could still be stored. */
  freeBytes(): Promise<number>;
  readonly durability: 'memory' | 'fsync';
  /** Whether all of the object is here, as durable as it will be. */
  has(address: string): Promise<boolean>;
  /**
   * Fetches the object from the sources and stores it; refuses one that is larger than `size`, and ends by itself when it
   * makes no progress.
   */
  fetch(input: Static<typeof PlaceInput>, signal: AbortSignal): Promise<void>;
  /** Keeps the object from collection for this holder; idempotent. */
  pin(address: string, holder: string): Promise<void>;
  unpin(address: string, holder: string): Promise<void>;
}

export interface PlacementLimits {
  /** Copies kept for one node, and for all. */
  readonly copiesPerPeerMax: number;
  readonly copiesMax: number;
  /** Larger objects are refused. */
  readonly sizeBytesMax: number;
  /** Of all copies together; an object that two nodes want counts twice. */
  readonly bytesMax: number;
  /** Left free whatever is asked. */
  readonly reserveBytes: number;
  readonly fetchesMax: number;
  readonly waitingMax: number;
}

export const placementLimitsDefault: PlacementLimits = {
  copiesPerPeerMax: 20_000,
  copiesMax: 100_000,
  sizeBytesMax: 16 * 1024 ** 3,
  bytesMax: 16 * 1024 ** 3,
  reserveBytes: 1024 ** 3,
  fetchesMax: 4,
  waitingMax: 1_000,
};

interface Copy {
  readonly input: Static<typeof PlaceInput>;
  readonly from: NodeId;
  state: 'waiting' | 'fetching' | 'held';
  expiresAtMs: number;
  readonly stop: AbortController;
}

const busyMs = 5_000;
/** Copies that could not be had, remembered until their owner asks again. */
const failedMax = 10_000;
const sweepMs = 60_000;

/**
 * Copies that other nodes asked this one to keep. Space for those that are still to come counts as used. Each node has its
 * own copies: releasing one, or letting it expire, changes nothing for another that wants the same object.
 */
export class Placements implements Disposable {
  readonly #clock: Clock;
  readonly #keeper: Keeper;
  readonly #limitsNow: () => Partial<PlacementLimits>;
  readonly #mayPlace: (from: NodeId) => boolean;
  readonly #copies = new Map<string, Copy>();
  readonly #perPeer = new Map<NodeId, number>();
  #fetching = 0;
  #waiting = 0;
  /** Bytes of copies that are still to come. */
  #promisedBytes = 0;
  #bytes = 0;
  readonly #failed = new Set<string>();
  #sweep: Timer | undefined;

  constructor(
    clock: Clock,
    keeper: Keeper,
    mayPlace: (from: NodeId) => boolean,
    limits: () => Partial<PlacementLimits> = () => ({}),
  ) {
    this.#clock = clock;
    this.#keeper = keeper;
    this.#mayPlace = mayPlace;
    this.#limitsNow = limits;
  }

  get count(): number {
    return this.#copies.size;
  }

  /** Of all copies, those included that are still to come. */
  get bytes(): number {
    return this.#bytes;
  }

  get #limits(): PlacementLimits {
    return { ...placementLimitsDefault, ...this.#limitsNow() };
  }

  /** Takes on a copy, or says why not. For one that is there already: renews it and says how far it is. */
  async place(input: Static<typeof PlaceInput>, from: NodeId): Promise<PlaceOutput> {
    const key = keyOf(input.address, from);
    const has = await this.#keeper.has(input.address);
    const { bytesMax, reserveBytes } = this.#limits;
    const space = (await this.#keeper.freeBytes()) - reserveBytes - this.#promisedBytes;
    const free = Math.max(0, Math.min(space, bytesMax - this.#bytes));
    const known = this.#copies.get(key);
    const refusal = known === undefined ? this.#refusal(key, input, from, has, free) : undefined;
    if (refusal !== undefined) {
      const later = refusal === 'busy' || refusal === 'no_space' ? { retry_after_ms: busyMs } : {};
      return { state: 'refused', reason: refusal, free_bytes: free, ...later };
    }
    const copy = known ?? this.#add(key, input, from);
    copy.expiresAtMs = this.#clock.monotonicMs() + input.ttl_ms;
    this.#sweep ??= this.#clock.after(sweepMs, () => this.#expire());
    if (has && copy.state !== 'fetching') {
      await this.#keeper.pin(input.address, holderOf(from));
      if (this.#copies.get(key) === copy) this.#become(copy, 'held');
    } else if (copy.state === 'held') this.#become(copy, 'waiting');
    this.#work();
    return {
      state: copy.state === 'held' ? 'held' : 'fetching',
      expires_at: this.#clock.wallMs() + input.ttl_ms,
      free_bytes: free,
    };
  }

  /**
   * Takes back what storage kept for others across a restart (pins of `copy:<node>`). Their time is not known any more: it
   * begins anew, and who still wants its copy renews it before.
   */
  adopt(address: string, sizeBytes: number, from: NodeId): void {
    const key = keyOf(address, from);
    if (this.#copies.has(key)) return;
    const input = { address, size: sizeBytes, durability: this.#keeper.durability, ttl_ms: placeTtlMsMax, sources: [] };
    const copy = this.#add(key, input, from);
    this.#become(copy, 'held');
    copy.expiresAtMs = this.#clock.monotonicMs() + placeTtlMsMax;
    this.#sweep ??= this.#clock.after(sweepMs, () => this.#expire());
  }

  async release(address: string, from: NodeId): Promise<boolean> {
    const key = keyOf(address, from);
    const copy = this.#copies.get(key);
    if (copy === undefined) return false;
    this.#remove(key, copy);
    await this.#keeper.unpin(address, holderOf(from));
    return true;
  }

  [Symbol.dispose](): void {
    this.#sweep?.cancel();
    for (const { stop } of this.#copies.values()) stop.abort(over);
    this.#copies.clear();
  }

  #refusal(
    key: string,
    input: Static<typeof PlaceInput>,
    from: NodeId,
    has: boolean,
    free: number,
  ): PlaceRefusal | undefined {
    const { copiesPerPeerMax, copiesMax, sizeBytesMax, bytesMax, waitingMax } = this.#limits;
    if (!this.#mayPlace(from)) return 'not_allowed';
    // Said once: who asks again begins anew, perhaps with other sources.
    if (this.#failed.delete(key)) return 'no_source';
    if (input.size > sizeBytesMax) return 'too_large';
    if (input.durability === 'fsync' && this.#keeper.durability !== 'fsync') return 'durability';
    // What is here already takes no space, and counts as kept all the same.
    if (has ? this.#bytes + input.size > bytesMax : input.size > free) return 'no_space';
    if (this.#copies.size >= copiesMax || (this.#perPeer.get(from) ?? 0) >= copiesPerPeerMax) return 'no_space';
    return this.#waiting >= waitingMax ? 'busy' : undefined;
  }

  #become(copy: Copy, state: Copy['state'] | 'gone'): void {
    this.#count(copy, -1);
    if (state === 'gone') return;
    copy.state = state;
    this.#count(copy, 1);
  }

  #count({ state, input }: Copy, by: 1 | -1): void {
    if (state === 'waiting') this.#waiting += by;
    if (state !== 'held') this.#promisedBytes += by * input.size;
  }

  #add(key: string, input: Static<typeof PlaceInput>, from: NodeId): Copy {
    const copy: Copy = { input, from, state: 'waiting', expiresAtMs: 0, stop: new AbortController() };
    this.#bytes += input.size;
    this.#copies.set(key, copy);
    this.#count(copy, 1);
    this.#perPeer.set(from, (this.#perPeer.get(from) ?? 0) + 1);
    return copy;
  }

  #remove(key: string, copy: Copy): void {
    copy.stop.abort(over);
    if (this.#copies.get(key) !== copy) return;
    this.#copies.delete(key);
    this.#bytes -= copy.input.size;
    this.#become(copy, 'gone');
    const left = (this.#perPeer.get(copy.from) ?? 1) - 1;
    if (left > 0) this.#perPeer.set(copy.from, left);
    else this.#perPeer.delete(copy.from);
  }

  #work(): void {
    for (const [key, copy] of this.#copies) {
      if (this.#fetching >= this.#limits.fetchesMax) return;
      if (copy.state !== 'waiting') continue;
      this.#become(copy, 'fetching');
      this.#fetching += 1;
      void this.#fetch(key, copy);
    }
  }

  /** A copy that cannot be had is forgotten, but for the next question. */
  async #fetch(key: string, copy: Copy): Promise<void> {
    const { input, from, stop } = copy;
    try {
      await this.#keeper.fetch(input, stop.signal);
      if (this.#copies.get(key) === copy) {
        await this.#keeper.pin(input.address, holderOf(from));
        if (this.#copies.get(key) === copy) this.#become(copy, 'held');
      }
      if (this.#copies.get(key) !== copy) await this.#keeper.unpin(input.address, holderOf(from));
    } catch {
      // The keeper has reported it; here it only means that there is no copy.
      if (this.#copies.get(key) === copy && this.#failed.size < failedMax) this.#failed.add(key);
      this.#remove(key, copy);
    }
    this.#fetching -= 1;
    this.#work();
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, copy] of this.#copies) {
      if (copy.expiresAtMs > nowMs) continue;
      this.#remove(key, copy);
      const ignored = () => undefined;
      this.#keeper.unpin(copy.input.address, holderOf(copy.from)).then(ignored, ignored);
    }
    this.#sweep = this.#copies.size === 0 ? undefined : this.#clock.after(sweepMs, () => this.#expire());
  }
}

const over = new Error('the copy is not wanted any more');

function keyOf(address: string, from: NodeId): string {
  return `${from} ${address}`;
}

/** Under which name storage keeps it. */
function holderOf(from: NodeId): string {
  return `${copyOf}${from}`;
}

const copyOf = 'copy:';

/** For whom storage keeps a copy, by the names under which it does. */
export function ownersIn(holders: readonly string[]): readonly NodeId[] {
  return holders.filter((holder) => holder.startsWith(copyOf)).map((holder) => holder.slice(copyOf.length));
}
