import type { Disk } from '@ron/kernel';
import { createInlineWork, createRealClock, createRealDisk, createRealRandom } from '@ron/kernel/real';
import type { Address } from '@ron/naming';
import type { ByteStream } from '@ron/proto/stream';
import type { BlobEngine, EngineEvents } from '../../engine.ts';
import type { DiskEngineConfig } from '../config.ts';
import { openDiskEngine } from '../engine.ts';

export const folder = 'blobs';
const open: BlobEngine[] = [];

/** For `afterEach`. */
export async function stopAll(): Promise<void> {
  for (const engine of open.splice(0)) await engine[Symbol.asyncDispose]();
}

export interface Opened {
  readonly engine: BlobEngine;
  readonly corrupt: string[];
}

export async function start(
  root: string,
  config: Partial<DiskEngineConfig> = {},
  wrap: (disk: Disk) => Disk = (disk) => disk,
): Promise<Opened> {
  const corrupt: string[] = [];
  const events: EngineEvents = {
    onCorrupt: (address) => void corrupt.push(address),
    onDamage: (detail) => void corrupt.push(detail),
  };
  const env = {
    clock: createRealClock(),
    disk: wrap(createRealDisk(root)),
    random: createRealRandom(),
    work: createInlineWork(),
  };
  // Small, so that a few groups make an object with a file of its own.
  const limits = { bytesMax: 2 ** 30, objectsMax: 10_000, reserveBytes: 1, journalBytesMax: 65_536, ...config };
  const engine = await openDiskEngine({ env, folder, config: limits, events });
  open.push(engine);
  return { engine, corrupt };
}

export async function stop(engine: BlobEngine): Promise<void> {
  open.splice(open.indexOf(engine), 1);
  await engine[Symbol.asyncDispose]();
}

export function content(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let state = seed * 2654435761;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export async function put(engine: BlobEngine, bytes: Uint8Array, step = 100_000, expected?: Address) {
  await using writer = await engine.create(bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at += step) await writer.write(bytes.subarray(at, at + step));
  return await writer.commit(expected);
}

export async function collect(stream: ByteStream): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

export const readAll = async (engine: BlobEngine, address: Address) =>
  collect(engine.read(address, 0, engine.stat(address)?.sizeBytes ?? 0));

/** The same disk with some calls replaced. */
export function overriding(disk: Disk, changes: Partial<Disk>): Disk {
  return new Proxy(disk, {
    get: (target, name) => {
      const own = changes[name as keyof Disk];
      if (own !== undefined) return own;
      const value = target[name as keyof Disk];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
