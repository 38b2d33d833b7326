import type { Disk, File } from '@ron/kernel';
import { createInlineWork, createRealRandom } from '@ron/kernel/real';

/** Files in a map. `durable` is what a power cut leaves: synced content under names of synced folders. Each change counts, and the chosen one fails. */
export class MemoryDisk {
  files = new Map<string, { bytes: Uint8Array; synced: Uint8Array }>();
  modes = new Map<string, number>();
  durable = new Map<string, Uint8Array>();
  locked = new Set<string>();
  changes = 0;
  failAt: number = Number.POSITIVE_INFINITY;

  port(): Disk {
    const unused = () => Promise.reject(new Error('not used here'));
    return {
      open: async (name, mode) => this.#open(name, mode),
      list: unused,
      stat: async (name) => {
        const file = this.files.get(name);
        const mode = this.modes.get(name) ?? 0o600;
        return file === undefined ? undefined : { kind: 'file', sizeBytes: file.bytes.length, mode };
      },
      makeDirectory: async () => undefined,
      rename: async (from, to) => {
        this.#change();
        this.files.set(to, this.files.get(from)!);
        this.files.delete(from);
      },
      remove: async (name) => {
        this.#change();
        this.files.delete(name);
      },
      syncDirectory: async (folder) => {
        this.#change();
        const inside = (name: string) => name.startsWith(`${folder}/`);
        for (const name of [...this.durable.keys()].filter(inside)) this.durable.delete(name);
        for (const [name, file] of this.files) if (inside(name)) this.durable.set(name, file.synced);
      },
      freeBytes: async () => 1e9,
      lock: async (name) => {
        if (this.locked.has(name)) throw Object.assign(new Error('busy'), { code: 'EBUSY' });
        this.locked.add(name);
        return { [Symbol.asyncDispose]: async () => void this.locked.delete(name) };
      },
    };
  }

  /** The process is killed: what it wrote is there, synced or not. */
  kill(): void {
    this.locked.clear();
    this.failAt = Number.POSITIVE_INFINITY;
  }

  powerCut(): void {
    this.kill();
    this.files = new Map([...this.durable].map(([name, bytes]) => [name, { bytes, synced: bytes }]));
  }

  get(name: string): Uint8Array {
    return this.files.get(name)!.bytes;
  }

  put(name: string, bytes: Uint8Array): void {
    this.files.set(name, { bytes, synced: bytes });
    this.durable.set(name, bytes);
  }

  delete(name: string): void {
    this.files.delete(name);
    this.durable.delete(name);
  }

  snapshot(): string {
    return JSON.stringify([...this.files].map(([name, file]) => [name, Buffer.from(file.bytes).toString('hex')]));
  }

  #change(): void {
    this.changes += 1;
    if (this.changes === this.failAt) throw Object.assign(new Error('injected'), { code: 'EIO' });
  }

  #open(name: string, mode: string): File {
    if (mode === 'create') {
      this.#change();
      this.files.set(name, { bytes: new Uint8Array(0), synced: new Uint8Array(0) });
    }
    const file = this.files.get(name)!;
    const close = async () => undefined;
    const unused = () => Promise.reject(new Error('not used here'));
    return {
      readSync: () => 0,
      read: async (into, offset) => {
        into.set(file.bytes.subarray(offset, offset + into.length));
        return Math.min(into.length, file.bytes.length - offset);
      },
      write: async (pieces) => {
        this.#change();
        file.bytes = new Uint8Array(Buffer.concat(pieces));
      },
      sync: async () => {
        this.#change();
        file.synced = file.bytes;
      },
      truncate: unused,
      preallocate: unused,
      size: async () => file.bytes.length,
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}

export const keystorePath = 'keys/keystore.age';
export const identityPath = 'keys/identity.txt';
export const statePath: string = `${keystorePath}.state`;

/** What `openFileKms` takes, over such a disk: real random bytes, a clock that stands. */
export function fileOptions(disk: MemoryDisk) {
  const clock = { wallMs: () => 1_764_000_000_000, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };
  return {
    env: { clock, random: createRealRandom(), disk: disk.port(), work: createInlineWork() },
    path: keystorePath,
    identityPath,
  };
}
