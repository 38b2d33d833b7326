import { outboardSize } from '@ron/b3';
import { type Address, addressFromHash, hashFromAddress } from '@ron/naming';
import { RonError } from '@ron/proto/errors';

/** Format: docs/specs/pack.md. */
export const packObjectsMax = 1_000;

const magic = new TextEncoder().encode('RONPACK1');
export const packHeadBytes = magic.byteLength + 4;
/** Of one object in the table: its root, its size. */
export const packRowBytes = 32 + 8;

export interface PackRow {
  readonly address: string;
  readonly sizeBytes: number;
}

/** Bytes of the whole pack. */
export function packSize(rows: readonly PackRow[]): number {
  let bytes = packHeadBytes + rows.length * packRowBytes;
  for (const { sizeBytes } of rows) bytes += outboardSize(sizeBytes) - 8 + sizeBytes;
  return bytes;
}

export function encodePackTable(rows: readonly PackRow[]): Uint8Array {
  const table = new Uint8Array(packHeadBytes + rows.length * packRowBytes);
  const view = new DataView(table.buffer);
  table.set(magic);
  view.setUint32(magic.byteLength, rows.length, true);
  rows.forEach(({ address, sizeBytes }, place) => {
    const at = packHeadBytes + place * packRowBytes;
    table.set(hashFromAddress(address as Address), at);
    view.setBigUint64(at + 32, BigInt(sizeBytes), true);
  });
  return table;
}

/** Rows in the table. Throws `bad_request` for what is no pack. */
export function parsePackHead(head: Uint8Array): number {
  if (head.byteLength !== packHeadBytes || magic.some((byte, place) => byte !== head[place])) {
    throw new RonError('bad_request', 'this is not a pack of version 1');
  }
  const count = viewOf(head).getUint32(magic.byteLength, true);
  if (count < 1 || count > packObjectsMax) {
    throw new RonError('bad_request', `a pack has 1 to ${packObjectsMax} objects`, { details: { objects: count } });
  }
  return count;
}

export function parsePackRow(row: Uint8Array): PackRow {
  const size = viewOf(row).getBigUint64(32, true);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new RonError('bad_request', 'the pack names an impossible size');
  return { address: addressFromHash(row.subarray(0, 32)), sizeBytes: Number(size) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
