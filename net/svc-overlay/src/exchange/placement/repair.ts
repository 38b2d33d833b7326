import { type Clock, sleep, type Timer } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import type { NodeId } from '@ron/proto/network';
import { TokenBucket } from '../token-bucket.ts';
import { choosePlaces, chooseSurplus, type PeerState, type PlacementPeer } from './choose.ts';
import type { RepairLimits } from './repair-limits.ts';
import { RepairQueue } from './repair-queue.ts';

export interface RepairPorts {
  readonly clock: Clock;
  /** The node that wants the copies, which always has one of them. Undefined: others have them all. */
  readonly self: NodeId | undefined;
  /** Everybody that is known, as it is now. */
  peers(): readonly PlacementPeer[];
  /** As it is now; `dead` for who is not known. */
  stateOf(node: NodeId): PeerState;
  /** Makes `to` keep a copy, taken from `from`; resolves when the copy is as durable as it should be (PLACE). */
  copy(address: string, sizeBytes: number, to: NodeId, from: readonly NodeId[], signal: AbortSignal): Promise<void>;
  /** Tells a node that its copy is not wanted any more (RELEASE). Only this node's own copies: others keep theirs. */
  drop(address: string, node: NodeId): Promise<void>;
  /** As they are now. */
  readonly limits: () => RepairLimits;
}

interface Tracked {
  readonly sizeBytes: number;
  copies: number;
  readonly holders: Set<NodeId>;
  surplusSinceMs: number | undefined;
  notBeforeMs: number;
  failures: number;
  readonly failed: Map<NodeId, number>;
  isRunning: boolean;
}

interface Holder {
  state: PeerState;
  sinceMs: number;
  readonly addresses: Set<string>;
  /** Which grace times of its death have been acted on. */
  stage: 0 | 1 | 2;
}

/**
 * Keeps objects at their number of copies while nodes die and come back. It belongs to the node that wants the copies
 * (`ron pin --copies`); copies that others want are theirs to count. A dead holder counts until its grace time is over; a
 * holder that comes back makes a surplus, which is given up only after a long while, so nodes that come and go move nothing.
 */
export class Repair implements Disposable {
  readonly #ports: RepairPorts;
  readonly #objects = new Map<string, Tracked>();
  readonly #holders = new Map<NodeId, Holder>();
  readonly #dirty = new Set<string>();
  readonly #surplus = new Set<string>();
  readonly #queue: RepairQueue;
  readonly #pace: TokenBucket;
  readonly #stop = new AbortController();
  #sweep: Iterator<string> | undefined;
  #running = 0;
  #timer: Timer | undefined;
  #copiedBytes = 0;

  constructor(ports: RepairPorts) {
    this.#ports = ports;
    this.#queue = new RepairQueue(this.#limits.queueMax);
    this.#pace = new TokenBucket(ports.clock, () => this.#limits.bytesPerSecond, 1);
  }

  get #limits(): RepairLimits {
    return this.#ports.limits();
  }

  /** `queued` lack copies and wait; `copiedBytes` since the start. */
  status(): {
    readonly objects: number;
    readonly queued: number;
    readonly running: number;
    readonly copiedBytes: number;
  } {
    return {
      objects: this.#objects.size,
      queued: this.#queue.size,
      running: this.#running,
      copiedBytes: this.#copiedBytes,
    };
  }

  /** Nodes that are known to have had a copy, dead ones included. */
  holdersOf(address: string): readonly NodeId[] {
    return [...(this.#objects.get(address)?.holders ?? [])];
  }

  /** Undefined when it is not tracked. */
  wantedOf(address: string): { readonly sizeBytes: number; readonly copies: number } | undefined {
    return this.#objects.get(address);
  }

  /** What is tracked, in the order in which it came. */
  addresses(): IterableIterator<string> {
    return this.#objects.keys();
  }

  /** Whether fewer copies than wanted are on nodes that are there now, or the owner's own is missing. */
  isLacking(address: string): boolean {
    const object = this.#objects.get(address);
    if (object === undefined) return false;
    const { living, counted } = this.#countOf(object);
    return Math.min(living, counted) < object.copies;
  }

  /**
   * Makes what is missing without waiting for those who are gone to come back. Resolves when each object that lacked copies has
   * them, or its next one has failed, or nobody is left to copy from; rejects with the reason of the signal, and goes on.
   */
  async now(signal: AbortSignal): Promise<void> {
    for (const holder of this.#holders.values()) if (holder.state === 'dead') holder.stage = 2;
    const hurried = [...this.#objects.keys()].filter((address) => this.isLacking(address));
    for (const address of hurried) {
      const object = this.#objects.get(address)!;
      Object.assign(object, { notBeforeMs: 0, failures: 0 });
      object.failed.clear();
      this.#dirty.add(address);
    }
    const isOver = (address: string) => {
      const object = this.#objects.get(address);
      if (object === undefined || object.failures > 0) return true;
      return this.#countOf(object).living === 0 || !this.isLacking(address);
    };
    while (hurried.length > 0) {
      await sleep(this.#ports.clock, this.#limits.tickMs, signal);
      while (hurried.length > 0 && isOver(hurried.at(-1)!)) hurried.pop();
    }
  }

  /** Keeps an object at `copies` from now on, or at another number. Throws `insufficient_storage` past `objectsMax`. */
  track(address: string, sizeBytes: number, copies: number, holders: readonly NodeId[]): void {
    const known = this.#objects.get(address);
    if (known !== undefined) known.copies = copies;
    else {
      this.requireRoom(address);
      const rest = { surplusSinceMs: undefined, notBeforeMs: 0, failures: 0, isRunning: false };
      this.#objects.set(address, { sizeBytes, copies, holders: new Set(), failed: new Map(), ...rest });
    }
    for (const node of holders) this.onHeld(address, node);
    this.#dirty.add(address);
    this.#timer ??= this.#ports.clock.after(this.#limits.tickMs, () => this.#tick());
  }

  /** Throws `insufficient_storage` when it could not be tracked. */
  requireRoom(address: string): void {
    if (this.#objects.size < this.#limits.objectsMax || this.#objects.has(address)) return;
    throw new RonError('insufficient_storage', 'too many objects are kept in copies');
  }

  /** Copies stay where they are. */
  untrack(address: string): void {
    for (const node of this.#objects.get(address)?.holders ?? []) this.#forget(address, node);
    this.#objects.delete(address);
    this.#dirty.delete(address);
    this.#surplus.delete(address);
    this.#queue.remove(address);
  }

  /** A peer is seen in another state. */
  onPeer(node: NodeId, state: PeerState): void {
    const holder = this.#holders.get(node);
    if (holder === undefined || holder.state === state) return;
    holder.state = state;
    holder.sinceMs = this.#ports.clock.monotonicMs();
    holder.stage = 0;
    for (const address of holder.addresses) this.#dirty.add(address);
  }

  /** A node is known to have a copy, now and durably. */
  onHeld(address: string, node: NodeId): void {
    const object = this.#objects.get(address);
    if (object === undefined) return;
    const state = this.#ports.stateOf(node);
    const fresh = { state, sinceMs: this.#ports.clock.monotonicMs(), addresses: new Set<string>(), stage: 0 as const };
    const holder = this.#holders.get(node) ?? fresh;
    this.#holders.set(node, holder);
    holder.addresses.add(address);
    object.holders.add(node);
    if (object.holders.size > this.#limits.holdersMax) this.#forgetOldest(address, object);
    this.#dirty.add(address);
  }

  /** A node says, or was shown not, to have its copy any more. */
  onLost(address: string, node: NodeId): void {
    this.#forget(address, node);
    this.#objects.get(address)?.holders.delete(node);
    this.#dirty.add(address);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#stop.abort(new RonError('unavailable', 'repair has ended'));
  }

  #forget(address: string, node: NodeId): void {
    const holder = this.#holders.get(node);
    holder?.addresses.delete(address);
    if (holder?.addresses.size === 0) this.#holders.delete(node);
  }

  #forgetOldest(address: string, { holders }: Tracked): void {
    const dead = [...holders].filter((node) => this.#holders.get(node)?.state === 'dead');
    const oldest = dead.sort((a, b) => this.#holders.get(a)!.sinceMs - this.#holders.get(b)!.sinceMs)[0];
    if (oldest !== undefined) this.onLost(address, oldest);
  }

  #tick(): void {
    if (this.#stop.signal.aborted) return;
    this.#passGraceTimes();
    this.#look();
    this.#giveUpSurplus();
    this.#startCopies();
    this.#timer =
      this.#objects.size === 0 ? undefined : this.#ports.clock.after(this.#limits.tickMs, () => this.#tick());
  }

  #passGraceTimes(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    for (const holder of this.#holders.values()) {
      if (holder.state !== 'dead' || holder.stage === 2) continue;
      const deadMs = nowMs - holder.sinceMs;
      const stage = deadMs >= this.#limits.graceMs ? 2 : deadMs >= this.#limits.urgentGraceMs ? 1 : 0;
      if (stage === holder.stage) continue;
      holder.stage = stage;
      for (const address of holder.addresses) this.#dirty.add(address);
    }
  }

  #look(): void {
    let left = this.#limits.looksPerTick;
    for (const address of this.#dirty) {
      if (left-- <= 0) return;
      this.#dirty.delete(address);
      this.#lookAt(address);
    }
    if (this.#queue.overflowed && this.#queue.size < this.#limits.queueMax / 2) {
      this.#queue.overflowed = false;
      this.#sweep = this.#objects.keys();
    }
    for (; this.#sweep !== undefined && left > 0; left--) {
      const step = this.#sweep.next();
      if (step.done === true) this.#sweep = undefined;
      else this.#lookAt(step.value);
    }
  }

  #lookAt(address: string): void {
    const object = this.#objects.get(address);
    if (object === undefined) return;
    const { living, counted, alive } = this.#countOf(object);
    // Without a living copy there is nothing to copy from: it waits for a holder to come back.
    if (living > 0 && counted < object.copies && !object.isRunning) this.#queue.put(address, living);
    else this.#queue.remove(address);
    if (alive <= object.copies) object.surplusSinceMs = undefined;
    else object.surplusSinceMs ??= this.#ports.clock.monotonicMs();
    if (object.surplusSinceMs === undefined) this.#surplus.delete(address);
    else this.#surplus.add(address);
  }

  #countOf({ holders, copies }: Tracked): {
    readonly living: number;
    readonly counted: number;
    readonly alive: number;
  } {
    const found = [...holders].map((node) => this.#holders.get(node)!);
    const living = found.filter(({ state }) => state !== 'dead').length;
    const graceStage = living <= 1 ? 1 : 2;
    const graced = found.filter(({ state, stage }) => state === 'dead' && stage < graceStage).length;
    const { self } = this.#ports;
    const isOwnMissing = self !== undefined && !holders.has(self);
    const counted = isOwnMissing ? Math.min(living + graced, copies - 1) : living + graced;
    return { living, counted, alive: found.filter(({ state }) => state === 'alive').length };
  }

  #giveUpSurplus(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    let known: Map<NodeId, PlacementPeer> | undefined;
    for (const address of this.#surplus) {
      const object = this.#objects.get(address)!;
      // In the order in which they became too many.
      if (nowMs - (object.surplusSinceMs ?? nowMs) < this.#limits.surplusMs) return;
      if (object.isRunning) continue;
      known ??= new Map(this.#ports.peers().map((peer) => [peer.id, peer]));
      const { self } = this.#ports;
      const others = [...object.holders].flatMap((node) => {
        const peer = known?.get(node);
        return node !== self && peer?.state === 'alive' && this.#holders.get(node)?.state === 'alive' ? [peer] : [];
      });
      const own = self !== undefined && object.holders.has(self) ? 1 : 0;
      for (const node of chooseSurplus(address, object.copies - own, others)) {
        // It does not count from now on, whatever becomes of the message: a copy that stays is no harm.
        this.onLost(address, node);
        const ignored = () => undefined;
        this.#ports.drop(address, node).then(ignored, ignored);
      }
    }
  }

  #startCopies(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    while (this.#running < this.#limits.copiesAtOnce) {
      const address = this.#queue.take((next) => this.#objects.get(next)!.notBeforeMs <= nowMs);
      if (address === undefined) return;
      const object = this.#objects.get(address)!;
      if (this.#pace.take(object.sizeBytes) > 0) {
        this.#queue.put(address, this.#countOf(object).living);
        return;
      }
      void this.#copy(address, object);
    }
  }

  async #copy(address: string, object: Tracked): Promise<void> {
    const { clock } = this.#ports;
    for (const [node, untilMs] of object.failed) if (untilMs <= clock.monotonicMs()) object.failed.delete(node);
    const to = this.#targetFor(address, object);
    if (to === undefined) return this.#later(address, object);
    const from = [...object.holders].filter((node) => this.#holders.get(node)?.state !== 'dead');
    const { copyMs, copyBytesPerSecondMin, retryMs } = this.#limits;
    const own = new AbortController();
    const late = () => own.abort(new RonError('deadline_exceeded', 'the copy took too long'));
    const timer = clock.after(Math.min(copyMs + (object.sizeBytes * 1_000) / copyBytesPerSecondMin, 2 ** 31 - 1), late);
    const follow = () => own.abort(this.#stop.signal.reason);
    this.#stop.signal.addEventListener('abort', follow, { once: true });
    object.isRunning = true;
    this.#running += 1;
    try {
      await untilAbort(this.#ports.copy(address, object.sizeBytes, to, from, own.signal), own.signal);
      this.#copiedBytes += object.sizeBytes;
      object.failures = 0;
      this.onHeld(address, to);
    } catch {
      // The port has reported it; here it means another target, later.
      object.failed.set(to, clock.monotonicMs() + retryMs);
      this.#later(address, object);
    }
    timer.cancel();
    this.#stop.signal.removeEventListener('abort', follow);
    object.isRunning = false;
    this.#running -= 1;
    if (this.#objects.get(address) === object) this.#lookAt(address);
    // Many small ones do not wait for a tick each.
    if (!this.#stop.signal.aborted) this.#startCopies();
  }

  /** Dead holders within their grace time are counted as they are in `#countOf`, and never chosen. */
  #targetFor(address: string, object: Tracked): NodeId | undefined {
    const { sizeBytes, holders, failed } = object;
    const living = [...holders].filter((node) => this.#holders.get(node)?.state !== 'dead');
    const { self } = this.#ports;
    if (self !== undefined && !holders.has(self) && !failed.has(self)) return self;
    const without = new Set([...holders, ...failed.keys()]);
    for (const node of living) without.delete(node);
    const question = { address, sizeBytes, copies: living.length + 1, holders: living, without };
    return choosePlaces({ ...question, peers: this.#ports.peers() })[0];
  }

  #later(address: string, object: Tracked): void {
    object.failures += 1;
    const waitMs = Math.min(this.#limits.tickMs * 2 ** Math.min(object.failures, 10), this.#limits.retryMs);
    object.notBeforeMs = this.#ports.clock.monotonicMs() + waitMs;
    if (this.#objects.get(address) === object) this.#dirty.add(address);
  }
}

function untilAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
