import type { Address } from '@ron/naming';

/**
 * The journal's records. Every one names the object's hash and its *generation*: a number, unique in the engine, that
 * the object got when it was first stored. Stamps come from the same counter and order the changes of one thing.
 * So the meaning of a record does not depend on where it lies, and compaction may copy it behind newer ones.
 * Little-endian: `hash ×32 | generation u64`, then by kind:
 * small, large: `created f64 | state u8 | state time f64 | state stamp u64`, then the bytes or `size u64`;
 * state: `state u8 | state time f64 | state stamp u64`; purge: nothing; pin: `pinned u8 | stamp u64 | holder`.
 */
export const recordKinds = { small: 1, large: 2, state: 3, purge: 4, pin: 5 } as const;

const identityBytes = 40;
const stateBytes = 17;
/** What precedes the bytes of a small object. */
export const smallHeadBytes = identityBytes + 8 + stateBytes;
export const holderBytesMax = 1024;
const stateNames = ['live', 'trash', 'quarantined'] as const;

export type ObjectState = (typeof stateNames)[number];

export interface Identity {
  readonly address: Address;
  readonly generation: number;
}

export interface StateChange {
  readonly state: ObjectState;
  readonly stateMs: number;
  readonly stateStamp: number;
}

export interface Stored extends Identity, StateChange {
  readonly createdMs: number;
}

export type StorageRecord =
  | ({ readonly kind: 'small' | 'large'; readonly sizeBytes: number } & Stored)
  | ({ readonly kind: 'state' } & Identity & StateChange)
  | ({ readonly kind: 'purge' } & Identity)
  | ({ readonly kind: 'pin'; readonly pinned: boolean; readonly stamp: number; readonly holder: string } & Identity);

/** The leading bytes of the record; the bytes of a small object follow as pieces of their own. */
export function encodeRecord(record: StorageRecord): Buffer {
  const holder = record.kind === 'pin' ? Buffer.from(record.holder) : Buffer.alloc(0);
  const bytes = Buffer.alloc(headBytes[record.kind] + holder.byteLength);
  bytes.write(record.address.slice(3), 0, 'hex');
  writeNumber(bytes, record.generation, 32);
  let at = identityBytes;
  if (record.kind === 'small' || record.kind === 'large') at = bytes.writeDoubleLE(record.createdMs, at);
  if (record.kind === 'small' || record.kind === 'large' || record.kind === 'state') {
    bytes.writeUInt8(stateNames.indexOf(record.state), at);
    bytes.writeDoubleLE(record.stateMs, at + 1);
    writeNumber(bytes, record.stateStamp, at + 9);
  }
  if (record.kind === 'large') writeNumber(bytes, record.sizeBytes, at + stateBytes);
  if (record.kind === 'pin') {
    bytes.writeUInt8(record.pinned ? 1 : 0, at);
    writeNumber(bytes, record.stamp, at + 1);
    bytes.set(holder, at + 9);
  }
  return bytes;
}

const headBytes = {
  small: smallHeadBytes,
  large: smallHeadBytes + 8,
  state: identityBytes + stateBytes,
  purge: identityBytes,
  pin: identityBytes + 9,
} as const;

/** Undefined for kinds and forms that this version does not know. `payloadBytes` is that of the whole record. */
export function decodeRecord(kind: number, payload: Uint8Array, payloadBytes: number): StorageRecord | undefined {
  const name = (Object.keys(recordKinds) as (keyof typeof recordKinds)[]).find((each) => recordKinds[each] === kind);
  if (name === undefined || payload.byteLength < headBytes[name]) return undefined;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const address = `b3:${bytes.toString('hex', 0, 32)}` as Address;
  const identity = { address, generation: readNumber(bytes, 32) };
  if (name === 'purge') return { kind: name, ...identity };
  if (name === 'state') return readState(bytes, identityBytes, { kind: name, ...identity });
  if (name === 'pin') {
    const holder = bytes.toString('utf8', identityBytes + 9);
    const stamp = readNumber(bytes, identityBytes + 1);
    return { kind: name, ...identity, pinned: bytes[identityBytes] === 1, stamp, holder };
  }
  const createdMs = bytes.readDoubleLE(identityBytes);
  const sizeBytes = name === 'small' ? payloadBytes - smallHeadBytes : readNumber(bytes, smallHeadBytes);
  return readState(bytes, identityBytes + 8, { kind: name, ...identity, createdMs, sizeBytes });
}

/** How much of a record a start-up needs: all of it, except the bytes of small objects. */
export function keptBytes(kind: number, payloadBytes: number): number {
  return kind === recordKinds.small ? smallHeadBytes : payloadBytes;
}

function readState<T extends object>(bytes: Buffer, at: number, rest: T): T & StateChange {
  const state = stateNames[bytes[at] ?? 0] ?? 'quarantined';
  return { ...rest, state, stateMs: bytes.readDoubleLE(at + 1), stateStamp: readNumber(bytes, at + 9) };
}

function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value >>> 0, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
