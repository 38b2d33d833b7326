import { createOutboardVerifier, groupsForRange, VerificationError } from '@ron/b3';
import type { Env } from '@ron/kernel';
import { type Address, addressFromHash, hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { EngineEvents, StoredObject } from '../engine.ts';
import { type Budget, objectOverheadBytes } from './budget.ts';
import { bytesOf, groupOf, groupSizeBytes, type ObjectHash, type Pieces } from './pieces.ts';

export interface RamObject {
  /** Replaced, never changed: callers may keep it. */
  info: StoredObject;
  pieces: Pieces;
  outboard: Uint8Array | undefined;
  pins: Set<string> | undefined;
}

export interface Stored {
  readonly object: StoredObject;
  readonly stored: boolean;
}

/** A pin costs its entry in a set and its text. */
const pinOverheadBytes = 128;

/** All objects and their counts. Every change is complete before its call returns. */
export class RamObjects {
  readonly budget: Budget;
  readonly objectsMax: number;
  readonly #env: Pick<Env, 'clock' | 'work'>;
  readonly #events: EngineEvents;
  readonly #byAddress = new Map<Address, RamObject>();
  readonly #inState = { live: 0, trash: 0, quarantined: 0 };
  #trashBytes = 0;

  constructor(budget: Budget, objectsMax: number, env: Pick<Env, 'clock' | 'work'>, events: EngineEvents) {
    this.budget = budget;
    this.objectsMax = objectsMax;
    this.#env = env;
    this.#events = events;
  }

  get count(): number {
    return this.#byAddress.size;
  }

  get trash(): { readonly objects: number; readonly bytes: number } {
    return { objects: this.#inState.trash, bytes: this.#trashBytes };
  }

  get quarantined(): number {
    return this.#inState.quarantined;
  }

  get(address: Address): RamObject | undefined {
    return this.#byAddress.get(address);
  }

  /** A walk over a `Map` sees each entry that stays exactly once, whatever is added or removed meanwhile. */
  *infos(): IterableIterator<StoredObject> {
    for (const object of this.#byAddress.values()) yield object.info;
  }

  /**
   * Takes over sealed pieces that are in the budget already. When they are not kept they are given back here;
   * on a refusal they stay the caller's.
   */
  add(pieces: Pieces, sizeBytes: number, hash: ObjectHash, expected: Address | undefined): Stored {
    const address = addressFromHash(hash.root);
    if (expected !== undefined && expected !== address) {
      throw new RonError('bad_digest', 'the bytes do not hash to the address', { details: { expected } });
    }
    const known = this.#byAddress.get(address);
    const nowMs = this.#env.clock.wallMs();
    if (known === undefined) {
      this.#refuseWhenFull();
      this.budget.take(objectOverheadBytes + (hash.outboard?.byteLength ?? 0));
      const info: StoredObject = { address, sizeBytes, createdMs: nowMs, state: 'live', stateMs: nowMs };
      this.#byAddress.set(address, { info, pieces, outboard: hash.outboard, pins: undefined });
      this.#inState.live += 1;
      return { object: info, stored: true };
    }
    if (known.info.state === 'quarantined') {
      this.budget.give(bytesOf(known.pieces));
      known.pieces = pieces;
      known.outboard = hash.outboard;
    } else {
      for (const piece of pieces) this.budget.discard(piece);
    }
    const stored = known.info.state !== 'live';
    if (stored) this.setState(known, 'live', nowMs);
    return { object: known.info, stored };
  }

  setState(object: RamObject, state: StoredObject['state'], atMs: number): void {
    const before = object.info;
    if (before.state === state) return;
    this.#inState[before.state] -= 1;
    this.#inState[state] += 1;
    if (before.state === 'trash') this.#trashBytes -= before.sizeBytes;
    if (state === 'trash') this.#trashBytes += before.sizeBytes;
    object.info = { ...before, state, stateMs: atMs };
  }

  setPin(object: RamObject, holder: string, pinned: boolean): void {
    const cost = pinOverheadBytes + holder.length * 2;
    const there = object.pins?.has(holder) ?? false;
    if (pinned === there) return;
    if (pinned) {
      this.budget.take(cost);
      object.pins ??= new Set();
      object.pins.add(holder);
    } else {
      object.pins?.delete(holder);
      this.budget.give(cost);
    }
  }

  remove(object: RamObject): void {
    for (const holder of object.pins ?? []) this.setPin(object, holder, false);
    this.setState(object, 'quarantined', object.info.stateMs);
    this.#inState.quarantined -= 1;
    this.#byAddress.delete(object.info.address);
    this.budget.give(bytesOf(object.pieces) + objectOverheadBytes + (object.outboard?.byteLength ?? 0));
  }

  /** Throws `integrity` after the object was quarantined. */
  verify(object: RamObject, start: number, length: number): void {
    const { address, sizeBytes } = object.info;
    const detail = this.#damage(object, start, length);
    if (detail === undefined) return;
    this.setState(object, 'quarantined', this.#env.clock.wallMs());
    this.#events.onCorrupt(address, detail);
    throw new RonError('integrity', 'the stored bytes failed verification', {
      cause: `${detail} of ${sizeBytes} bytes`,
    });
  }

  #damage(object: RamObject, start: number, length: number): string | undefined {
    const { address, sizeBytes } = object.info;
    const root = hashFromAddress(address);
    if (sizeBytes <= groupSizeBytes) {
      const actual = addressFromHash(this.#env.work.blake3(groupOf(object.pieces, 0)));
      return actual === address ? undefined : 'group 0';
    }
    try {
      const verifier = createOutboardVerifier({ root, outboard: object.outboard!, size: sizeBytes });
      const { first, last } = groupsForRange(sizeBytes, start, length);
      for (let index = first; index <= last; index += 1) verifier.verifyGroup(index, groupOf(object.pieces, index));
      return undefined;
    } catch (error) {
      if (error instanceof VerificationError) return error.message;
      throw error;
    }
  }

  #refuseWhenFull(): void {
    if (this.#byAddress.size < this.objectsMax) return;
    throw new RonError('insufficient_storage', 'the node holds as many objects as it may', {
      details: { limit: this.objectsMax },
    });
  }
}
