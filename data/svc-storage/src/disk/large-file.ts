import type { Disk, File, Work } from '@ron/kernel';
import type { PiecePool } from '../piece-pool.ts';
import { encodeTail, GroupDigester, type ObjectTree } from './object-file.ts';
import { WriteBehind } from './write-behind.ts';

export interface LargeFileParts {
  readonly disk: Disk;
  readonly work: Work;
  readonly pool: PiecePool;
  readonly syncEveryBytes: number;
}

/** A large object on its way to its file: one piece is hashed while the system writes it and the next fills. */
export class LargeFile {
  readonly path: string;
  readonly file: File;
  sizeBytes = 0;
  readonly #digester: GroupDigester;
  readonly #work: Work;
  readonly #behind: WriteBehind;

  static async create(parts: LargeFileParts, path: string): Promise<LargeFile> {
    return new LargeFile(parts, path, await parts.disk.open(path, 'create'));
  }

  private constructor({ work, pool, syncEveryBytes }: LargeFileParts, path: string, file: File) {
    this.path = path;
    this.file = file;
    this.#work = work;
    this.#digester = new GroupDigester(work);
    const target = {
      write: (bytes: Uint8Array, offsetBytes: number) => file.write([bytes], offsetBytes),
      sync: () => file.sync(),
      seen: (bytes: Uint8Array) => this.#digester.add(bytes),
    };
    this.#behind = new WriteBehind(target, pool, syncEveryBytes);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const at = this.sizeBytes;
    this.sizeBytes += bytes.byteLength;
    await this.#behind.write(at, bytes);
  }

  /** All bytes are known, the last of them not written: they go out with the tail. Returns what that will hold. */
  async finish(): Promise<ObjectTree> {
    this.#digester.add(this.#behind.unwritten);
    return this.#digester.finish();
  }

  /** Adds the tail; the file is on stable storage when this resolves. */
  async seal(tree: ObjectTree): Promise<void> {
    await this.#behind.settle();
    const last = this.#behind.unwritten;
    const tail = encodeTail(tree, this.sizeBytes, this.#work);
    await this.file.write([last, ...tail], this.sizeBytes - last.byteLength);
    await this.file.sync();
    await this.#behind.drop();
  }

  async discard(disk: Disk): Promise<void> {
    await this.#behind.drop();
    await this.file.close();
    await disk.remove(this.path);
  }
}
