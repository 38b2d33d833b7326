import { crc32 } from 'node:zlib';
import { groupCv, outboardSize, treeFromGroupCvs } from '@ron/b3';
import type { File, Work } from '@ron/kernel';
import { groupBytes } from './layout.ts';

/**
 * A large object's file: its bytes, then the *tail*: a table of one standalone BLAKE3 digest for each 64 KiB group
 * (rot is found at the speed of native hashing, without the tree), the outboard, and a footer that checks both.
 * One file means one creation, one sync and one renaming for each object.
 *
 * Footer: `magic ×8 | size u64 | address hash ×32 | digest of the table ×32 | digest of the outboard ×32 | zero u32 | CRC-32`.
 */
const magic = Buffer.from('RONTAIL1');
const footerBytes = 120;
const digestBytes = 32;
const pieceBytes = 1024 * 1024;

export interface ObjectTree {
  readonly root: Uint8Array;
  readonly outboard: Uint8Array;
  /** 32 bytes for each group. */
  readonly table: Buffer;
}

export function groupsOf(sizeBytes: number): number {
  return Math.ceil(sizeBytes / groupBytes);
}

export function fileBytesOf(sizeBytes: number): number {
  return sizeBytes + groupsOf(sizeBytes) * digestBytes + outboardSize(sizeBytes) + footerBytes;
}

/** Takes the bytes of a large object in order and computes all that its tail needs. Memory: 64 bytes for each group. */
export class GroupDigester {
  readonly #work: Work;
  readonly #carry = Buffer.allocUnsafeSlow(groupBytes);
  #carried = 0;
  #groups = 0;
  #cvs = Buffer.alloc(64 * digestBytes);
  #table = Buffer.alloc(64 * digestBytes);

  constructor(work: Work) {
    this.#work = work;
  }

  get sizeBytes(): number {
    return this.#groups * groupBytes + this.#carried;
  }

  add(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      const left = bytes.byteLength - at;
      if (this.#carried === 0 && left >= groupBytes) {
        this.#group(bytes.subarray(at, at + groupBytes));
        at += groupBytes;
      } else {
        const taken = Math.min(left, groupBytes - this.#carried);
        this.#carry.set(bytes.subarray(at, at + taken), this.#carried);
        this.#carried += taken;
        at += taken;
        if (this.#carried === groupBytes) this.#closeCarry();
      }
    }
  }

  /** For objects of at least two groups. */
  finish(): ObjectTree {
    const { sizeBytes } = this;
    if (this.#carried > 0) this.#closeCarry();
    const used = this.#groups * digestBytes;
    const { root, outboard } = treeFromGroupCvs(this.#cvs.subarray(0, used), sizeBytes);
    return { root, outboard, table: Buffer.from(this.#table.subarray(0, used)) };
  }

  #closeCarry(): void {
    const bytes = this.#carry.subarray(0, this.#carried);
    this.#carried = 0;
    this.#group(bytes);
  }

  #group(bytes: Uint8Array): void {
    const at = this.#groups * digestBytes;
    if (at === this.#cvs.byteLength) {
      this.#cvs = Buffer.concat([this.#cvs], at * 2);
      this.#table = Buffer.concat([this.#table], at * 2);
    }
    this.#cvs.set(groupCv(this.#groups, bytes), at);
    this.#table.set(this.#work.blake3(bytes), at);
    this.#groups += 1;
  }
}

/** What is written after the bytes of the object. */
export function encodeTail(tree: ObjectTree, sizeBytes: number, work: Work): Uint8Array[] {
  const footer = Buffer.alloc(footerBytes);
  footer.set(magic);
  footer.writeBigUInt64LE(BigInt(sizeBytes), 8);
  footer.set(tree.root, 16);
  footer.set(digestOf(tree.table, work), 48);
  footer.set(digestOf(tree.outboard, work), 80);
  footer.writeUInt32LE(crc32(footer.subarray(0, footerBytes - 4)), footerBytes - 4);
  return [tree.table, tree.outboard, footer];
}

interface Footer {
  readonly root: Buffer;
  readonly tableDigest: Buffer;
  readonly outboardDigest: Buffer;
}

/** Undefined when the file does not end with the footer of an object of this size. */
export function readFooter(file: File, sizeBytes: number): Footer | undefined {
  const bytes = Buffer.alloc(footerBytes);
  const read = file.readSync(bytes, fileBytesOf(sizeBytes) - footerBytes);
  if (read !== footerBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32LE(footerBytes - 4) !== crc32(bytes.subarray(0, footerBytes - 4))) return undefined;
  if (Number(bytes.readBigUInt64LE(8)) !== sizeBytes) return undefined;
  return { root: bytes.subarray(16, 48), tableDigest: bytes.subarray(48, 80), outboardDigest: bytes.subarray(80, 112) };
}

/** The digest table, or undefined when it, or the footer that vouches for it, is damaged. */
export async function readTable(
  file: File,
  root: Uint8Array,
  sizeBytes: number,
  work: Work,
): Promise<Buffer | undefined> {
  const footer = readFooter(file, sizeBytes);
  if (footer === undefined || !footer.root.equals(root)) return undefined;
  const table = await readExactly(file, sizeBytes, groupsOf(sizeBytes) * digestBytes);
  return table !== undefined && footer.tableDigest.equals(digestOf(table, work)) ? table : undefined;
}

export async function readOutboard(
  file: File,
  root: Uint8Array,
  sizeBytes: number,
  work: Work,
): Promise<Buffer | undefined> {
  const footer = readFooter(file, sizeBytes);
  if (footer === undefined || !footer.root.equals(root)) return undefined;
  const outboard = await readExactly(file, sizeBytes + groupsOf(sizeBytes) * digestBytes, outboardSize(sizeBytes));
  return outboard !== undefined && footer.outboardDigest.equals(digestOf(outboard, work)) ? outboard : undefined;
}

/** Reads the object's bytes through and computes its tail anew; undefined when the file is too short. */
export async function digestFile(file: File, sizeBytes: number, work: Work): Promise<ObjectTree | undefined> {
  const digester = new GroupDigester(work);
  const room = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = 0; at < sizeBytes; ) {
    const piece = room.subarray(0, Math.min(pieceBytes, sizeBytes - at));
    if ((await file.read(piece, at)) !== piece.byteLength) return undefined;
    digester.add(piece);
    at += piece.byteLength;
  }
  return digester.finish();
}

/** Whether `bytes`, which begin with a group, are what the table says. Returns the first bad group. */
export function badGroup(bytes: Buffer, firstGroup: number, table: Buffer, work: Work): number | undefined {
  for (let at = 0, group = firstGroup; at < bytes.byteLength; at += groupBytes, group += 1) {
    const digest = work.blake3(bytes.subarray(at, at + groupBytes));
    const expected = group * digestBytes;
    if (table.compare(digest, 0, digestBytes, expected, expected + digestBytes) !== 0) return group;
  }
  return undefined;
}

async function readExactly(file: File, offsetBytes: number, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.allocUnsafeSlow(length);
  return (await file.read(bytes, offsetBytes)) === length ? bytes : undefined;
}

function digestOf(bytes: Uint8Array, work: Work): Uint8Array {
  if (bytes.byteLength <= pieceBytes) return work.blake3(bytes);
  const hasher = work.blake3Stream();
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) hasher.update(bytes.subarray(at, at + pieceBytes));
  return hasher.digest();
}
