import type { Disk, File, FileStat } from '@ron/kernel';

const sectorBytes = 512;

interface Content {
  /** What a read sees. */
  now: Uint8Array;
  /** What the last sync made safe. */
  safe: Uint8Array;
}

export interface CrashDiskOptions {
  /** Called before every operation with its number, from 1; may throw to fail it. */
  readonly before?: (operation: number, name: string, path: string) => void;
  /** Syncs that do nothing: the broken build that power-loss tests must catch. */
  readonly syncIsNoop?: boolean;
  readonly capacityBytes?: number;
}

export class DiskError extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * A disk in memory for tests: what was not synced is lost in a crash, sector by sector, as `unit` draws it. Names
 * (creation, renaming, removal) are safe after the sync of their folder only.
 */
export class CrashDisk implements Disk {
  operations = 0;
  options: CrashDiskOptions;
  #names = new Map<string, Content>();
  #safeNames = new Map<string, Content>();
  #dead = false;

  constructor(options: CrashDiskOptions = {}) {
    this.options = options;
  }

  /** The disk as the next start finds it. Handles of the old one fail from here on. */
  crash(unit: () => number): CrashDisk {
    this.#dead = true;
    const next = new CrashDisk();
    const survivors = new Map(this.#safeNames);
    for (const [path, content] of this.#names) if (!survivors.has(path) && unit() < 0.5) survivors.set(path, content);
    for (const path of this.#safeNames.keys()) if (!this.#names.has(path) && unit() < 0.5) survivors.delete(path);
    for (const [path, content] of survivors) {
      const bytes = torn(content, unit);
      const whole = { now: bytes, safe: bytes.slice() };
      next.#names.set(path, whole);
      next.#safeNames.set(path, whole);
    }
    return next;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** The bytes of a file, to be damaged in place. */
  bytes(path: string): Uint8Array {
    return this.#find(path).now;
  }

  async open(path: string, mode: 'read' | 'readwrite' | 'create'): Promise<File> {
    this.#step('open', path);
    if (mode === 'create') {
      if (this.#names.has(path)) throw new DiskError('EEXIST');
      this.#names.set(path, { now: new Uint8Array(0), safe: new Uint8Array(0) });
    }
    return this.#file(this.#find(path), path);
  }

  async list(path: string): Promise<readonly string[]> {
    this.#step('list', path);
    const names = [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`));
    return [...new Set(names.map((name) => name.slice(path.length + 1).split('/')[0] as string))];
  }

  async stat(path: string): Promise<FileStat | undefined> {
    this.#step('stat', path);
    const content = this.#names.get(path);
    return content && { kind: 'file', sizeBytes: content.now.byteLength };
  }

  async makeDirectory(path: string): Promise<void> {
    this.#step('makeDirectory', path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step('rename', from);
    const content = this.#find(from);
    this.#names.delete(from);
    this.#names.set(to, content);
  }

  async remove(path: string): Promise<void> {
    this.#step('remove', path);
    this.#names.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step('syncDirectory', path);
    if (this.options.syncIsNoop) return;
    const inside = (name: string) => name.startsWith(`${path}/`);
    for (const name of this.#safeNames.keys()) if (inside(name)) this.#safeNames.delete(name);
    for (const [name, content] of this.#names) if (inside(name)) this.#safeNames.set(name, content);
  }

  async freeBytes(): Promise<number> {
    let used = 0;
    for (const content of this.#names.values()) used += content.now.byteLength;
    return (this.options.capacityBytes ?? 2 ** 40) - used;
  }

  async lock(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: async () => undefined };
  }

  #file(content: Content, path: string): File {
    const grow = async (sizeBytes: number) => {
      if (sizeBytes - content.now.byteLength > (await this.freeBytes())) throw new DiskError('ENOSPC');
      content.now = resized(content.now, Math.max(sizeBytes, content.now.byteLength));
    };
    const readSync = (into: Uint8Array, offsetBytes: number) => {
      this.#step('read', path);
      const part = content.now.subarray(offsetBytes, offsetBytes + into.byteLength);
      into.set(part);
      return part.byteLength;
    };
    const close = async () => undefined;
    return {
      readSync,
      read: async (into, offsetBytes) => readSync(into, offsetBytes),
      write: async (pieces, offsetBytes) => {
        // A crash here finds the bytes handed over, none of them safe.
        let at = offsetBytes;
        await grow(pieces.reduce((sum, piece) => sum + piece.byteLength, offsetBytes));
        for (const piece of pieces) {
          content.now.set(piece, at);
          at += piece.byteLength;
        }
        this.#step('write', path);
      },
      sync: async () => {
        this.#step('sync', path);
        if (!this.options.syncIsNoop) content.safe = content.now.slice();
      },
      truncate: async (sizeBytes) => {
        this.#step('truncate', path);
        content.now = resized(content.now, sizeBytes);
      },
      preallocate: async (sizeBytes) => {
        this.#step('preallocate', path);
        await grow(sizeBytes);
      },
      size: async () => content.now.byteLength,
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  #find(path: string): Content {
    const content = this.#names.get(path);
    if (content === undefined) throw new DiskError('ENOENT');
    return content;
  }

  #step(name: string, path: string): void {
    if (this.#dead) throw new DiskError('EIO');
    this.operations += 1;
    this.options.before?.(this.operations, name, path);
  }
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const next = new Uint8Array(sizeBytes);
  next.set(bytes.subarray(0, sizeBytes));
  return next;
}

/** Each sector that differs from its safe state arrived, or did not. */
function torn({ now, safe }: Content, unit: () => number): Uint8Array {
  const bytes = resized(safe, unit() < 0.5 ? safe.byteLength : now.byteLength);
  for (let at = 0; at < bytes.byteLength; at += sectorBytes) {
    if (unit() < 0.5) bytes.set(now.subarray(at, Math.min(at + sectorBytes, bytes.byteLength)), at);
  }
  return bytes;
}
