import type { Env, File } from '@ron/kernel';
import { type Address, hashFromAddress } from '@ron/naming';
import { readTable } from './object-file.ts';

export interface OpenObject {
  readonly file: File;
  readonly table: Buffer;
  users: number;
  closing: boolean;
}

export interface OpenLimits {
  readonly openFilesMax: number;
  readonly tableBytesMax: number;
}

/** Descriptors and digest tables of large objects that were read lately. */
export class OpenObjects {
  readonly #env: Pick<Env, 'disk' | 'work'>;
  readonly #limits: OpenLimits;
  readonly #open = new Map<Address, OpenObject>();
  readonly #opening = new Map<Address, Promise<OpenObject | undefined>>();
  #tableBytes = 0;

  constructor(env: Pick<Env, 'disk' | 'work'>, limits: OpenLimits) {
    this.#env = env;
    this.#limits = limits;
  }

  /** Only when it is open; for use within this turn, or after raising `users`. */
  get(address: Address): OpenObject | undefined {
    const object = this.#open.get(address);
    if (object === undefined) return undefined;
    this.#open.delete(address);
    this.#open.set(address, object);
    return object;
  }

  /** Runs `work` with the open object; undefined stands for a file whose tail is damaged. */
  async using<T>(
    address: Address,
    path: string,
    sizeBytes: number,
    work: (object: OpenObject | undefined) => Promise<T>,
  ): Promise<T> {
    let object = this.get(address) ?? (await this.#openOnce(address, path, sizeBytes));
    // Others may have needed its place before this turn came.
    while (object?.closing && object.users === 0) object = await this.#openOnce(address, path, sizeBytes);
    if (object === undefined) return work(undefined);
    object.users += 1;
    try {
      return await work(object);
    } finally {
      object.users -= 1;
      if (object.closing && object.users === 0) await object.file.close();
    }
  }

  /** Takes over a file that was just written. */
  add(address: Address, file: File, table: Buffer): OpenObject {
    this.forget(address);
    const object = { file, table, users: 0, closing: false };
    this.#open.set(address, object);
    this.#tableBytes += table.byteLength;
    for (const [oldest, { table: oldestTable }] of this.#open) {
      const many = this.#open.size > this.#limits.openFilesMax || this.#tableBytes > this.#limits.tableBytesMax;
      if (!many || oldestTable === table) break;
      this.forget(oldest);
    }
    return object;
  }

  /** The next use opens the file anew; uses that run end undisturbed. */
  forget(address: Address): void {
    const object = this.#open.get(address);
    if (object === undefined) return;
    this.#open.delete(address);
    this.#tableBytes -= object.table.byteLength;
    object.closing = true;
    // Nobody waits for it: a failed close of a file that was only read loses nothing.
    if (object.users === 0) object.file.close().catch(() => undefined);
  }

  async close(): Promise<void> {
    const files = [...this.#open.values()].map(({ file }) => file);
    this.#open.clear();
    this.#tableBytes = 0;
    for (const file of files) await file.close();
  }

  async #openOnce(address: Address, path: string, sizeBytes: number): Promise<OpenObject | undefined> {
    let opening = this.#opening.get(address);
    if (opening === undefined) {
      opening = this.#load(address, path, sizeBytes).finally(() => this.#opening.delete(address));
      this.#opening.set(address, opening);
    }
    return opening;
  }

  async #load(address: Address, path: string, sizeBytes: number): Promise<OpenObject | undefined> {
    const { disk, work } = this.#env;
    const file = await disk.open(path, 'read');
    try {
      const table = await readTable(file, hashFromAddress(address), sizeBytes, work);
      if (table !== undefined) return this.add(address, file, table);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }
}
