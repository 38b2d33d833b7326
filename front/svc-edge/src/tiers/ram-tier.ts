import type { ObjectProof } from '../groups/object-proof.ts';
import { S3Fifo } from '../store/s3-fifo.ts';

/**
 * Bytes for one entry beside its content: its place in the maps, in the queue and among the ghosts. Measured: 573 bytes
 * of heap with objects of one group, 485 with groups of larger ones; the rest is for what an array costs outside of it.
 */
export const entryOverheadBytes = 800;

/** Ghosts are remembered for as many items as there can be: one for each 4 KiB of the budget, 16 at least. */
const bytesPerItem = 4_096;

/** A verified group. Its bytes never change and lie in memory of their own. */
export interface HeldGroup {
  readonly kind: 'group';
  readonly address: string;
  readonly index: number;
  readonly bytes: Uint8Array;
  /** The object has no other group. */
  readonly isWhole: boolean;
  /** Monotonic milliseconds at which it came from its source. */
  readonly sinceMs: number;
  /** How often it was asked for since it is here. */
  reads: number;
}

interface HeldObject {
  readonly kind: 'object';
  readonly address: string;
  proof: ObjectProof | undefined;
  readonly groups: Map<number, HeldGroup>;
}

export interface RamTierOptions {
  /** For content, outboards and {@link entryOverheadBytes} each. 0: nothing is kept. */
  readonly bytesMax: number;
  onEvict(group: HeldGroup): void;
}

export interface Dropped {
  readonly entries: number;
  readonly bytes: number;
}

/** Verified groups and outboards in memory, by S3-FIFO: what is read once pushes out only what was read once. */
export class RamTier {
  readonly bytesMax: number;
  readonly #order: S3Fifo<HeldGroup | HeldObject>;
  /** Objects of one group, which need no proof. */
  readonly #small = new Map<string, HeldGroup>();
  readonly #large = new Map<string, HeldObject>();

  constructor({ bytesMax, onEvict }: RamTierOptions) {
    this.bytesMax = bytesMax;
    this.#order = new S3Fifo({
      bytesMax,
      itemsMax: Math.max(16, Math.floor(bytesMax / bytesPerItem)),
      onEvict: (item) => {
        this.#forget(item);
        if (item.kind === 'group') onEvict(item);
      },
    });
  }

  get bytes(): number {
    return this.#order.bytes;
  }

  /** Groups and outboards. */
  get entries(): number {
    return this.#order.size;
  }

  /** The only group of an object of one group. */
  small(address: string): HeldGroup | undefined {
    return this.#read(this.#small.get(address));
  }

  proof(address: string): ObjectProof | undefined {
    const object = this.#large.get(address);
    if (object?.proof === undefined) return undefined;
    this.#order.touch(object);
    return object.proof;
  }

  group(address: string, index: number): HeldGroup | undefined {
    return this.#read(
      this.#large.get(address)?.groups.get(index) ?? (index === 0 ? this.#small.get(address) : undefined),
    );
  }

  hasProof(address: string): boolean {
    return this.#large.get(address)?.proof !== undefined;
  }

  /** Whether the size of the object is known without a source. Without a reader's interest in it. */
  hasSize(address: string): boolean {
    return this.#small.has(address) || this.#large.get(address)?.proof?.sizeProven === true;
  }

  /** Without a reader's interest in it. */
  peek(address: string, index: number): HeldGroup | undefined {
    return this.#large.get(address)?.groups.get(index) ?? (index === 0 ? this.#small.get(address) : undefined);
  }

  has(address: string, index: number): boolean {
    return this.#large.get(address)?.groups.has(index) ?? (index === 0 && this.#small.has(address));
  }

  /** Of an object of more than one group. */
  addProof(proof: ObjectProof): void {
    const { address, outboard } = proof;
    if (outboard === undefined) return;
    const object = this.#objectOf(address);
    if (object.proof?.sizeProven === true) return;
    if (object.proof !== undefined) this.#order.remove(object);
    object.proof = proof;
    this.#order.add(
      object,
      idOf(address, -1),
      outboard.byteLength + Math.ceil(proof.groupCount / 8) + entryOverheadBytes,
    );
    this.#prune(object);
  }

  /** Tells whether it is kept. */
  addGroup(group: HeldGroup): boolean {
    const { address, index } = group;
    if (this.has(address, index)) return true;
    if (group.isWhole) this.#small.set(address, group);
    else this.#objectOf(address).groups.set(index, group);
    this.#order.add(group, idOf(address, index), group.bytes.byteLength + entryOverheadBytes);
    return this.has(address, index);
  }

  purge(address: string): Dropped {
    const before = { entries: this.entries, bytes: this.bytes };
    const small = this.#small.get(address);
    const large = this.#large.get(address);
    for (const item of [small, large, ...(large?.groups.values() ?? [])]) {
      if (item !== undefined) this.#order.remove(item);
    }
    this.#small.delete(address);
    this.#large.delete(address);
    return { entries: before.entries - this.entries, bytes: before.bytes - this.bytes };
  }

  purgeAll(): Dropped {
    const dropped = { entries: this.entries, bytes: this.bytes };
    for (const address of [...this.#small.keys(), ...this.#large.keys()]) this.purge(address);
    return dropped;
  }

  #read(group: HeldGroup | undefined): HeldGroup | undefined {
    if (group === undefined) return undefined;
    group.reads += 1;
    this.#order.touch(group);
    return group;
  }

  #objectOf(address: string): HeldObject {
    const known = this.#large.get(address);
    if (known !== undefined) return known;
    const object: HeldObject = { kind: 'object', address, proof: undefined, groups: new Map() };
    this.#large.set(address, object);
    return object;
  }

  #forget(item: HeldGroup | HeldObject): void {
    if (item.kind === 'object') item.proof = undefined;
    else if (this.#small.get(item.address) === item) this.#small.delete(item.address);
    else this.#large.get(item.address)?.groups.delete(item.index);
    const object = this.#large.get(item.address);
    if (object !== undefined) this.#prune(object);
  }

  #prune(object: HeldObject): void {
    if (object.proof === undefined && object.groups.size === 0) this.#large.delete(object.address);
  }
}

/** Where two are taken for one, only the order of eviction suffers: 52 bits of the address, mixed with the place. */
function idOf(address: string, index: number): number {
  const low = (Number.parseInt(address.slice(3, 11), 16) ^ Math.imul(index + 2, 0x9e3779b1)) >>> 0;
  return Number.parseInt(address.slice(11, 16), 16) * 2 ** 32 + low;
}
