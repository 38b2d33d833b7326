import { addOutboardHeader } from '@ron/b3';
import type { Env } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { BlobEngine, BlobWriter, EngineEvents, EngineUsage, StoredObject } from '../engine.ts';
import { Budget, objectOverheadBytes } from './budget.ts';
import { type RamObject, RamObjects } from './objects.ts';
import { streamOf, viewOf } from './pieces.ts';
import { RamStagings } from './stagings.ts';
import { RamWriter, refuseLarger } from './writer.ts';

export interface RamEngineConfig {
  /** Bytes for everything: objects, 1 KiB of overhead for each, trees, pins, open writes and uploads. */
  readonly bytesMax: number;
  /** Bytes of one object; default and upper bound: half of `bytesMax`. */
  readonly objectBytesMax?: number;
  /** Default 2,000,000, which is about 1 GiB of the JavaScript heap, or what `bytesMax` allows. */
  readonly objectsMax?: number;
}

export interface RamEngineOptions {
  readonly env: Pick<Env, 'clock' | 'work'>;
  readonly config: RamEngineConfig;
  readonly events: EngineEvents;
}

const objectsMaxDefault = 2_000_000;

/** Objects in memory: nothing survives the process, nothing touches a disk. Refuses before the budget is passed. */
export function createRamEngine(options: RamEngineOptions): BlobEngine {
  return new RamEngine(options);
}

class RamEngine implements BlobEngine {
  readonly durability = 'memory';
  readonly stagings: RamStagings;
  readonly #env: Pick<Env, 'clock' | 'work'>;
  readonly #budget: Budget;
  readonly #objects: RamObjects;
  readonly #objectBytesMax: number;

  constructor({ env, config, events }: RamEngineOptions) {
    const half = Math.floor(config.bytesMax / 2);
    const objectsThatFit = Math.floor(config.bytesMax / objectOverheadBytes);
    this.#env = env;
    this.#budget = new Budget(config.bytesMax);
    this.#objectBytesMax = Math.min(config.objectBytesMax ?? half, half);
    const objectsMax = Math.min(config.objectsMax ?? objectsMaxDefault, objectsThatFit);
    this.#objects = new RamObjects(this.#budget, objectsMax, env, events);
    this.stagings = new RamStagings(this.#objects, env, this.#objectBytesMax);
  }

  async create(sizeBytes: number | undefined): Promise<BlobWriter> {
    if (sizeBytes !== undefined) {
      refuseLarger(sizeBytes, this.#objectBytesMax);
      if (!this.#budget.fits(sizeBytes + objectOverheadBytes)) {
        throw new RonError('insufficient_storage', 'an object of this size does not fit the memory budget');
      }
    }
    return new RamWriter(this.#objects, this.#env.work, this.#objectBytesMax, sizeBytes);
  }

  stat(address: Address): StoredObject | undefined {
    return this.#objects.get(address)?.info;
  }

  read(address: Address, start: number, length: number): ByteStream {
    const object = this.#readable(address);
    if (start < 0 || length < 0 || start + length > object.info.sizeBytes) throw new RangeError('outside the object');
    return streamOf(object.pieces, start, length);
  }

  resident(address: Address, start: number, length: number): Uint8Array | undefined {
    const object = this.#objects.get(address);
    if (object === undefined || object.info.state === 'quarantined') return undefined;
    return viewOf(object.pieces, start, length);
  }

  async outboard(address: Address): Promise<Uint8Array> {
    const object = this.#readable(address);
    return object.outboard ?? addOutboardHeader(new Uint8Array(0), object.info.sizeBytes);
  }

  async verify(address: Address, start: number, length: number): Promise<void> {
    this.#objects.verify(this.#readable(address), start, length);
  }

  async setState(address: Address, state: 'live' | 'trash', atMs: number): Promise<void> {
    this.#objects.setState(this.#readable(address), state, atMs);
  }

  async purge(address: Address): Promise<void> {
    const object = this.#known(address);
    if (object.info.state === 'live') throw new RonError('conflict', 'a live object cannot be purged');
    this.#objects.remove(object);
  }

  async setPin(address: Address, holder: string, pinned: boolean): Promise<void> {
    const object = this.#objects.get(address);
    if (object === undefined && !pinned) return;
    this.#objects.setPin(object ?? this.#known(address), holder, pinned);
  }

  pins(address: Address): readonly string[] {
    return [...(this.#objects.get(address)?.pins ?? [])];
  }

  entries(): IterableIterator<StoredObject> {
    return this.#objects.infos();
  }

  usage(): EngineUsage {
    return {
      objects: this.#objects.count,
      bytes: this.#budget.used,
      objectsMax: this.#objects.objectsMax,
      bytesMax: this.#budget.bytesMax,
      trashObjects: this.#objects.trash.objects,
      trashBytes: this.#objects.trash.bytes,
      quarantined: this.#objects.quarantined,
    };
  }

  gates(): readonly { readonly gate: string; readonly ok: boolean }[] {
    return [{ gate: 'blobs', ok: true }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const info of [...this.#objects.infos()]) this.#objects.remove(this.#known(info.address));
    for (const id of await this.stagings.list()) await (await this.stagings.open(id))?.remove();
  }

  #known(address: Address): RamObject {
    const object = this.#objects.get(address);
    if (object === undefined) throw new RonError('not_found', 'no such object');
    return object;
  }

  #readable(address: Address): RamObject {
    const object = this.#known(address);
    if (object.info.state === 'quarantined') {
      throw new RonError('integrity', 'the stored bytes of this object are damaged');
    }
    return object;
  }
}
