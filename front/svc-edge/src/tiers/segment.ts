import type { Disk, File } from '@ron/kernel';

/** A group on disk. */
export interface DiskEntry {
  readonly address: string;
  readonly index: number;
  readonly isWhole: boolean;
  readonly segment: Segment;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** BLAKE3 of the bytes as they were when they had been verified. */
  readonly digest: Uint8Array;
  readonly sinceMs: number;
  /** Asked for since it was written. */
  isRead: boolean;
}

/** An append-only file of groups, one behind the other, without headers: what lies where is known in RAM only. */
export class Segment {
  readonly path: string;
  readonly file: File;
  readonly entries = new Set<DiskEntry>();
  usedBytes = 0;

  private constructor(path: string, file: File) {
    this.path = path;
    this.file = file;
  }

  static async create(disk: Disk, folder: string, number: number): Promise<Segment> {
    const path = `${folder}/${String(number).padStart(10, '0')}.groups`;
    return new Segment(path, await disk.open(path, 'create'));
  }

  /** Throws what the disk throws; the segment is then not usable any more. */
  async append(
    bytes: Uint8Array,
    entry: Omit<DiskEntry, 'segment' | 'offsetBytes' | 'lengthBytes'>,
  ): Promise<DiskEntry> {
    const offsetBytes = this.usedBytes;
    this.usedBytes += bytes.byteLength;
    await this.file.write([bytes], offsetBytes);
    const placed = { ...entry, segment: this, offsetBytes, lengthBytes: bytes.byteLength };
    this.entries.add(placed);
    return placed;
  }

  /** Undefined when there is less than there should be. Throws what the disk throws. */
  read({ offsetBytes, lengthBytes }: DiskEntry): Uint8Array | undefined {
    const bytes = new Uint8Array(lengthBytes);
    return this.file.readSync(bytes, offsetBytes) === lengthBytes ? bytes : undefined;
  }

  /** As `read`, without holding up the loop. */
  async readLater({ offsetBytes, lengthBytes }: DiskEntry): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(lengthBytes);
    return (await this.file.read(bytes, offsetBytes)) === lengthBytes ? bytes : undefined;
  }

  async remove(disk: Disk): Promise<void> {
    await this.file.close();
    await disk.remove(this.path);
  }
}
