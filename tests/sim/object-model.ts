import type { Address } from '@ron/naming';
import { Violation } from './violation.ts';

/** One content and what the clients know about it. */
export interface KnownObject {
  readonly address: Address;
  readonly bytes: Uint8Array;
  /** Addresses that this bundle lists. */
  readonly entries: readonly Address[];
  /** The node said that it is stored durably. */
  acked: boolean;
  /** Stores that run now or ended without an answer: it may be there. */
  attempts: number;
  /** Virtual time until which it was certainly held or touched. */
  touchedMs: number;
  /** Names, pins and bundles that certainly hold it. */
  readonly holders: Set<string>;
  /** Damage was reported since it was last stored. */
  damaged: boolean;
}

/** What the system may do to objects at a moment. */
export interface ObjectClimate {
  /** Virtual milliseconds. */
  readonly nowMs: () => number;
  readonly trashMs: number;
  /** Objects that bit flips and read errors so far can have damaged. */
  readonly damageMax: () => number;
  /** Hears of each object that is found damaged. */
  readonly onDamage?: (object: KnownObject, how: string) => void;
}

/**
 * The reference model of stored objects: which must be there, which may be, which cannot be. It knows nothing of
 * journals or trash: an object is safe while held, and for the trash time after that.
 */
export class ObjectModel {
  readonly #climate: ObjectClimate;
  readonly #objects = new Map<Address, KnownObject>();
  /** Bundles by what they list. */
  readonly #bundles = new Map<Address, KnownObject[]>();
  /** Collections begun so far: before the first nothing is ever removed. */
  collections = 0;
  /** Virtual milliseconds by which jumps of the clock may have aged trash, seen after a restart. */
  jumpedMs = 0;
  damageSeen = 0;

  constructor(climate: ObjectClimate) {
    this.#climate = climate;
  }

  know(address: Address, bytes: Uint8Array, entries: readonly Address[] = []): KnownObject {
    let object = this.#objects.get(address);
    if (object === undefined) {
      object = { address, bytes, entries, acked: false, attempts: 0, touchedMs: 0, holders: new Set(), damaged: false };
      this.#objects.set(address, object);
      for (const entry of entries) this.#bundles.set(entry, [...(this.#bundles.get(entry) ?? []), object]);
    }
    return object;
  }

  find(address: string): KnownObject | undefined {
    return this.#objects.get(address as Address);
  }

  all(): readonly KnownObject[] {
    return [...this.#objects.values()];
  }

  /** The node answered: stored, durably. Also for `has`, undelete and whatever else promises to keep it for a while. */
  acknowledge(object: KnownObject, storedAnew: boolean): void {
    object.acked = true;
    object.touchedMs = this.#climate.nowMs();
    if (storedAnew) object.damaged = false;
    for (const bundle of this.#bundles.get(object.address) ?? []) {
      for (const holder of bundle.holders) object.holders.add(`${holder} > ${bundle.address}`);
    }
  }

  /** A name or pin certainly holds it from now on, with what it lists as far as that is certainly there. */
  hold(object: KnownObject, holder: string): void {
    object.acked = true;
    object.touchedMs = this.#climate.nowMs();
    object.holders.add(holder);
    for (const address of object.entries) {
      const entry = this.#objects.get(address);
      if (entry !== undefined && this.mustBePresent(entry)) entry.holders.add(`${holder} > ${object.address}`);
    }
  }

  /** It may be released from now on. */
  release(object: KnownObject, holder: string): void {
    if (!object.holders.delete(holder)) return;
    object.touchedMs = this.#climate.nowMs();
    for (const address of object.entries) {
      const entry = this.#objects.get(address);
      if (entry?.holders.delete(`${holder} > ${object.address}`)) entry.touchedMs = this.#climate.nowMs();
    }
  }

  mustBePresent(object: KnownObject): boolean {
    return object.acked && !this.mayBeGone(object);
  }

  /** Nothing certainly holds it, and a collection may have found it past its time in the trash. */
  mayBeGone(object: KnownObject): boolean {
    if (object.holders.size > 0 || this.collections === 0) return false;
    return this.#climate.nowMs() - object.touchedMs + this.jumpedMs >= this.#climate.trashMs;
  }

  /** Some client once sent these bytes, so they may be there. */
  mayBePresent(object: KnownObject): boolean {
    return object.acked || object.attempts > 0;
  }

  /** Its bytes could not be had although they must be there. Only as many as were damaged may be. */
  reportDamage(object: KnownObject, how: string): void {
    if (object.damaged) return;
    // What a lost bundle listed is unknown to the node: nothing holds its entries for that bundle's sake.
    const orphaned = (this.#bundles.get(object.address) ?? []).some((bundle) => bundle.damaged || bundle.acked);
    object.damaged = true;
    this.#climate.onDamage?.(object, how);
    if (orphaned && this.#climate.damageMax() > 0) return;
    this.damageSeen += 1;
    if (this.damageSeen <= this.#climate.damageMax()) return;
    throw new Violation(
      `${object.address} (${object.bytes.byteLength} bytes, held by ${[...object.holders].join(', ') || 'nobody'}) must be there: ${how}; ` +
        `${this.damageSeen} objects damaged by ${this.#climate.damageMax()} faults`,
    );
  }
}
