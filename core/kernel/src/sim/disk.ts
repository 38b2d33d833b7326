import type { Disk, File, FileStat } from '../env/disk.ts';
import { SystemError } from '../env/system-error.ts';
import { DiskFaults } from './disk-faults.ts';
import { SimFolder, SimTree } from './disk-tree.ts';
import { SimInode } from './inode.ts';
import type { SimRandom } from './random.ts';
import type { SimClock } from './scheduler.ts';

/** A disk in memory that forgets what was not synced. It outlives the processes that use it: see `attach` and `crash`. */
export class SimDisk {
  readonly faults: DiskFaults;
  readonly #tree = new SimTree();
  #locked = new Set<string>();
  /** Grows with each crash: what belongs to an earlier life never gets an answer. */
  #life = 0;

  constructor(random: SimRandom) {
    this.faults = new DiskFaults(random);
  }

  /** The port for one process. */
  attach(clock: SimClock): Disk {
    return new AttachedDisk(this, this.#tree, clock, this.#life, this.#locked);
  }

  get life(): number {
    return this.#life;
  }

  get usedBytes(): number {
    return this.#tree.usedBytes();
  }

  /** A power cut. Unsynced writes are kept, lost or torn, unsynced names kept or lost, each by chance. */
  crash(): void {
    this.#life++;
    this.#locked = new Set();
    this.#tree.crash(this.faults);
  }

  /** The process dies, the machine lives: the system still writes everything, only locks and answers are gone. */
  kill(): void {
    this.#life++;
    this.#locked = new Set();
  }

  /** Flips one bit of a file, seen and durable; returns its path and offset. Without `path`, of any file. */
  flipBit(path?: string, offsetBytes?: number): { readonly path: string; readonly offsetBytes: number } | undefined {
    const files = this.#tree.files().filter(([name, inode]) => inode.size > 0 && (path === undefined || name === path));
    if (files.length === 0) return undefined;
    const [name, inode] = files[this.faults.random.integer(files.length)] as [string, SimInode];
    const at = offsetBytes ?? this.faults.random.integer(inode.size);
    inode.flipBit(at, this.faults.random.integer(8));
    this.faults.note('flipped_bit');
    return { path: name, offsetBytes: at };
  }
}

class AttachedDisk implements Disk {
  readonly #disk: SimDisk;
  readonly #tree: SimTree;
  readonly #clock: SimClock;
  readonly #life: number;
  readonly #locked: Set<string>;

  constructor(disk: SimDisk, tree: SimTree, clock: SimClock, life: number, locked: Set<string>) {
    this.#disk = disk;
    this.#tree = tree;
    this.#clock = clock;
    this.#life = life;
    this.#locked = locked;
  }

  get alive(): boolean {
    return this.#disk.life === this.#life;
  }

  get faults(): DiskFaults {
    return this.#disk.faults;
  }

  /** The operation after its latency. The dead get no answer. */
  async run<T>(operation: () => T): Promise<T> {
    const [low, high] = this.faults.latencyMs;
    if (high > 0) {
      const delayMs = low + this.faults.random.unit() * (high - low);
      await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve, 'disk'));
    }
    if (!this.alive) return new Promise<never>(() => undefined);
    return operation();
  }

  checkRoom(moreBytes: number): void {
    if (this.room(moreBytes) >= moreBytes) return;
    this.faults.note('no_space');
    throw new SystemError('ENOSPC', 'the simulated disk is full');
  }

  /** How many of `bytes` still fit. */
  room(bytes: number): number {
    // Counting what is used walks the whole disk.
    if (bytes <= 0 || this.faults.capacityBytes === Number.POSITIVE_INFINITY) return bytes;
    return Math.max(0, Math.min(bytes, this.faults.capacityBytes - this.#disk.usedBytes));
  }

  open(path: string, mode: 'read' | 'readwrite' | 'create'): Promise<File> {
    return this.run(() => {
      this.faults.check('open');
      const { folder, name } = this.#tree.place(path);
      const existing = folder.entries.get(name);
      if (existing instanceof SimFolder)
        throw new SystemError(mode === 'create' ? 'EEXIST' : 'EISDIR', 'a folder is not a file');
      if (mode === 'create') {
        if (existing !== undefined) throw new SystemError('EEXIST', 'the file exists');
        const inode = new SimInode();
        this.#tree.change(folder, [{ folder, name, node: inode }]);
        return new SimFile(this, inode, true);
      }
      if (existing === undefined) throw new SystemError('ENOENT', 'no such file');
      return new SimFile(this, existing, mode === 'readwrite');
    });
  }

  list(path: string): Promise<readonly string[]> {
    return this.run(() => {
      this.faults.check('list');
      const node = this.#tree.find(path);
      if (node === undefined) return [];
      if (!(node instanceof SimFolder)) throw new SystemError('ENOTDIR', 'not a folder');
      return [...node.entries.keys()];
    });
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.run(() => {
      const node = this.#tree.find(path);
      if (node === undefined) return undefined;
      if (node instanceof SimFolder) return { kind: 'directory', sizeBytes: 0 };
      return { kind: 'file', sizeBytes: node.size, mode: 0o600 };
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.run(() => this.#tree.makeFolder(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.run(() => {
      this.faults.check('rename');
      const source = this.#tree.place(from);
      const target = this.#tree.place(to);
      const node = source.folder.entries.get(source.name);
      if (node === undefined) throw new SystemError('ENOENT', 'no such file');
      const replaced = target.folder.entries.get(target.name);
      if (replaced === node) return;
      if (replaced instanceof SimFolder && !(node instanceof SimFolder))
        throw new SystemError('EISDIR', 'a folder is in the way');
      if (replaced instanceof SimFolder && replaced.entries.size > 0)
        throw new SystemError('ENOTEMPTY', 'the folder is not empty');
      if (replaced !== undefined && !(replaced instanceof SimFolder) && node instanceof SimFolder) {
        throw new SystemError('ENOTDIR', 'a file is in the way');
      }
      this.#tree.change(target.folder, [
        { ...source, node: undefined },
        { ...target, node },
      ]);
    });
  }

  remove(path: string): Promise<void> {
    return this.run(() => {
      this.faults.check('remove');
      if (this.#tree.find(path) === undefined) return;
      const { folder, name } = this.#tree.place(path);
      const node = folder.entries.get(name);
      if (node instanceof SimFolder && node.entries.size > 0)
        throw new SystemError('ENOTEMPTY', 'the folder is not empty');
      this.#tree.change(folder, [{ folder, name, node: undefined }]);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.run(() => {
      this.faults.check('syncDirectory');
      const node = this.#tree.find(path);
      if (node === undefined) throw new SystemError('ENOENT', 'no such folder');
      if (!(node instanceof SimFolder)) throw new SystemError('ENOTDIR', 'not a folder');
      this.#tree.sync(node);
    });
  }

  freeBytes(): Promise<number> {
    return this.run(() =>
      Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, this.faults.capacityBytes) - this.#disk.usedBytes),
    );
  }

  lock(path: string): Promise<AsyncDisposable> {
    return this.run(() => {
      const key = path === '.' ? '' : path;
      if (!(this.#tree.find(key) instanceof SimFolder)) throw new SystemError('ENOENT', 'no such folder');
      if (this.#locked.has(key)) throw new SystemError('EBUSY', 'the folder is in use');
      this.#locked.add(key);
      return { [Symbol.asyncDispose]: async () => void this.#locked.delete(key) };
    });
  }
}

class SimFile implements File {
  readonly #disk: AttachedDisk;
  readonly #inode: SimInode;
  readonly #writable: boolean;
  #open = true;

  constructor(disk: AttachedDisk, inode: SimInode, writable: boolean) {
    this.#disk = disk;
    this.#inode = inode;
    this.#writable = writable;
  }

  readSync(into: Uint8Array, offsetBytes: number): number {
    if (!this.#disk.alive) throw new SystemError('EIO', 'the simulated process is dead');
    this.#checkOpen(false);
    const { faults } = this.#disk;
    faults.check('read');
    const count = this.#inode.read(into, offsetBytes);
    if (count > 0 && faults.rates.flip > 0 && faults.random.chance(faults.rates.flip)) {
      this.#inode.flipBit(offsetBytes + faults.random.integer(count), faults.random.integer(8));
      faults.note('flipped_bit');
      return this.#inode.read(into, offsetBytes);
    }
    return count;
  }

  read(into: Uint8Array, offsetBytes: number): Promise<number> {
    return this.#disk.run(() => this.readSync(into, offsetBytes));
  }

  write(pieces: readonly Uint8Array[], offsetBytes: number): Promise<void> {
    return this.#disk.run(() => {
      this.#checkOpen(true);
      this.#disk.faults.check('write');
      let offset = offsetBytes;
      for (const piece of pieces) {
        const growth = Math.max(0, offset + piece.byteLength - this.#inode.size);
        const fits = piece.byteLength - (growth - this.#disk.room(growth));
        if (fits > 0) this.#inode.write(piece.subarray(0, fits), offset);
        if (fits < piece.byteLength) {
          this.#disk.faults.note('no_space');
          throw new SystemError('ENOSPC', 'the simulated disk is full');
        }
        offset += piece.byteLength;
      }
    });
  }

  sync(): Promise<void> {
    return this.#disk.run(() => {
      this.#checkOpen(false);
      try {
        this.#disk.faults.check('sync');
      } catch (error) {
        this.#inode.failSync(this.#disk.faults);
        throw error;
      }
      this.#inode.sync();
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#disk.run(() => {
      this.#checkOpen(true);
      this.#disk.faults.check('truncate');
      this.#disk.checkRoom(sizeBytes - this.#inode.size);
      this.#inode.truncate(sizeBytes);
    });
  }

  preallocate(sizeBytes: number): Promise<void> {
    return this.#disk.run(() => {
      this.#checkOpen(true);
      this.#disk.faults.check('write');
      this.#disk.checkRoom(sizeBytes - this.#inode.size);
      if (sizeBytes > this.#inode.size) this.#inode.truncate(sizeBytes);
    });
  }

  size(): Promise<number> {
    return this.#disk.run(() => {
      this.#checkOpen(false);
      return this.#inode.size;
    });
  }

  async close(): Promise<void> {
    this.#open = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(toWrite: boolean): void {
    if (!this.#open || (toWrite && !this.#writable)) throw new SystemError('EBADF', 'the file is closed or read-only');
  }
}
