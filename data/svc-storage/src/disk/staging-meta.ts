import { crc32 } from 'node:zlib';
import type { Disk, File } from '@ron/kernel';
import { isAddress } from '@ron/naming';
import type { StagingMeta } from '../engine.ts';

/**
 * The file beside staged bytes. Three slots in sectors of their own, so that a torn write costs one of them: two take
 * turns with the bytes known to be safe, the third names the object that a commit is turning the bytes into. Then, never
 * changed: `json length u32 | json | outboard length u32 | outboard | CRC-32`.
 */
const slotBytes = 512;
const bodyStart = 3 * slotBytes;
const markBytes = 20;
const committingBytes = 36;
export const metaBytesMax = 64 * 1024 * 1024;

export interface StagingFacts {
  readonly sizeBytes: number;
  readonly meta: StagingMeta;
  readonly turn: number;
  readonly safeBytes: number;
  /** Hex of the hash, when a commit was under way. */
  readonly committing: string | undefined;
}

export function encodeMeta(sizeBytes: number, { outboard, ...rest }: StagingMeta): Uint8Array {
  const json = Buffer.from(JSON.stringify({ sizeBytes, hasOutboard: outboard !== undefined, ...rest }));
  const tree = outboard ?? new Uint8Array(0);
  const body = Buffer.alloc(8 + json.byteLength + tree.byteLength);
  body.writeUInt32LE(json.byteLength, 0);
  body.set(json, 4);
  body.writeUInt32LE(tree.byteLength, 4 + json.byteLength);
  body.set(tree, 8 + json.byteLength);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(body));
  return Buffer.concat([Buffer.alloc(bodyStart), body, sum]);
}

/** Undefined for a file that is absent or does not hold. */
export async function readMeta(disk: Disk, path: string): Promise<StagingFacts | undefined> {
  const stat = await disk.stat(path);
  if (stat?.kind !== 'file' || stat.sizeBytes < bodyStart + 12 || stat.sizeBytes > metaBytesMax) return undefined;
  const bytes = Buffer.alloc(stat.sizeBytes);
  const file = await disk.open(path, 'read');
  try {
    if ((await file.read(bytes, 0)) !== bytes.byteLength) return undefined;
  } finally {
    await file.close();
  }
  const end = bytes.byteLength - 4;
  if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(bodyStart, end))) return undefined;
  const jsonBytes = bytes.readUInt32LE(bodyStart);
  const json = JSON.parse(bytes.toString('utf8', bodyStart + 4, bodyStart + 4 + jsonBytes));
  const { sizeBytes, hasOutboard, tenant, createdMs, expiresMs, address } = json;
  const meta: StagingMeta = {
    tenant,
    createdMs,
    expiresMs,
    ...(isAddress(address) ? { address } : {}),
    ...(hasOutboard ? { outboard: new Uint8Array(bytes.subarray(bodyStart + 8 + jsonBytes, end)) } : {}),
  };
  return { sizeBytes, meta, ...latestMark(bytes), committing: committingOf(bytes) };
}

export async function writeMark(file: File, turn: number, safeBytes: number, durable: boolean): Promise<void> {
  const mark = Buffer.alloc(markBytes);
  mark.writeBigUInt64LE(BigInt(turn), 0);
  mark.writeBigUInt64LE(BigInt(safeBytes), 8);
  mark.writeUInt32LE(crc32(mark.subarray(0, 16)), 16);
  await file.write([mark], (turn % 2) * slotBytes);
  if (durable) await file.sync();
}

export async function writeCommitting(file: File, root: Uint8Array): Promise<void> {
  const slot = Buffer.alloc(committingBytes);
  slot.set(root);
  slot.writeUInt32LE(crc32(root), 32);
  await file.write([slot], 2 * slotBytes);
  await file.sync();
}

function latestMark(bytes: Buffer): { turn: number; safeBytes: number } {
  let latest = { turn: 0, safeBytes: 0 };
  for (const at of [0, slotBytes]) {
    if (bytes.readUInt32LE(at + 16) !== crc32(bytes.subarray(at, at + 16))) continue;
    const turn = Number(bytes.readBigUInt64LE(at));
    if (turn > latest.turn) latest = { turn, safeBytes: Number(bytes.readBigUInt64LE(at + 8)) };
  }
  return latest;
}

function committingOf(bytes: Buffer): string | undefined {
  const at = 2 * slotBytes;
  const root = bytes.subarray(at, at + 32);
  if (root.every((byte) => byte === 0) || bytes.readUInt32LE(at + 32) !== crc32(root)) return undefined;
  return root.toString('hex');
}
