import { createInlineWork, createRealClock } from '@ron/kernel/real';
import { type Address, addressFromHash } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import { expect, test } from 'vitest';
import { AddressSet } from '../address-set.ts';
import type { BlobEngine } from '../engine.ts';
import { refusal, sample } from '../test-bed.ts';
import { objectOverheadBytes } from './budget.ts';
import { createRamEngine } from './engine.ts';

// The suite that all engines pass is in tests/contract/engines; here is what only memory promises.

const mib = 1_048_576;
const env = { clock: createRealClock(), work: createInlineWork() };

function open(bytesMax: number, corrupt: Address[] = []): BlobEngine {
  const events = { onCorrupt: (address: Address) => void corrupt.push(address) };
  return createRamEngine({ env, config: { bytesMax }, events });
}

async function put(engine: BlobEngine, bytes: Uint8Array, announced = true): Promise<Address> {
  await using writer = await engine.create(announced ? bytes.byteLength : undefined);
  for (let at = 0; at < bytes.byteLength; at += 65_536) await writer.write(bytes.subarray(at, at + 65_536));
  return (await writer.commit(undefined)).object.address;
}

test('one-byte-sized objects are refused by the budget, long before memory ends', async () => {
  await using engine = open(4 * mib);
  let stored = 0;
  const code = await refusal(async () => {
    for (; stored <= 4 * 1_024; stored += 1) await put(engine, new Uint8Array(new Uint32Array([stored]).buffer), false);
  });
  expect(code).toBe('insufficient_storage');
  // The last few need room for the 4 KiB that a write of unknown length begins with.
  const fitting = (4 * mib) / (objectOverheadBytes + 4);
  expect(stored).toBeLessThanOrEqual(fitting);
  expect(stored).toBeGreaterThan(fitting - 5);
  expect(engine.usage().bytes).toBeLessThanOrEqual(4 * mib);
  const first = [...engine.entries()][0]!.address;
  await engine.setState(first, 'trash', 1);
  await engine.purge(first);
  await put(engine, sample(4));
});

test('an object may take half of the budget', async () => {
  for (const announced of [true, false]) {
    await using engine = open(4 * mib);
    expect(await put(engine, sample(2 * mib), announced)).toMatch(/^b3:/);
    await using other = open(4 * mib);
    expect(await refusal(() => put(other, sample(2 * mib + 1), announced))).toBe('payload_too_large');
  }
});

test('memory of what was refused, broken off or double is given back at once', async () => {
  await using engine = open(64 * mib);
  const bytes = sample(8 * mib);
  await put(engine, bytes);
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 40; round += 1) {
    await put(engine, bytes, round % 2 === 0);
    const staging = await engine.stagings.create('a'.repeat(32), bytes.byteLength, {
      tenant: '',
      createdMs: 1,
      expiresMs: 2,
    });
    await staging.write(0, bytes);
    await staging.remove();
    await using left = await engine.create(undefined);
    await left.write(bytes);
  }
  // 960 MiB went through; without giving back at once most of them would wait for a garbage collection.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * mib);
});

test('a range inside one MiB piece is one view, at once', async () => {
  await using engine = open(16 * mib);
  const address = await put(engine, sample(3 * mib));
  expect(engine.read(address, mib, mib)).toBeInstanceOf(ResidentBody);
  expect(engine.read(address, mib - 1, 2)).not.toBeInstanceOf(ResidentBody);
});

test('a reader keeps its bytes when the object is purged under it', async () => {
  await using engine = open(16 * mib);
  const bytes = sample(3 * mib);
  const address = await put(engine, bytes);
  const reading = engine.read(address, 0, bytes.byteLength)[Symbol.asyncIterator]();
  const parts = [(await reading.next()).value as Uint8Array];
  await engine.setState(address, 'trash', 1);
  await engine.purge(address);
  for (let seed = 2; seed < 5; seed += 1) await put(engine, sample(3 * mib, seed));
  for (let part = await reading.next(); !part.done; part = await reading.next()) parts.push(part.value);
  expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0);
});

test.each([
  [0, 0],
  [100, 99],
  [65_536, 65_535],
  [65_537, 65_536],
  [mib + 5, 70_000],
])('verify of %i bytes finds a flipped bit at %i, and only in its range', async (size, at) => {
  const corrupt: Address[] = [];
  await using engine = open(16 * mib, corrupt);
  const address = await put(engine, sample(size));
  await engine.verify!(address, 0, size);
  if (size === 0) return;
  const { bytes } = engine.read(address, at, 1) as ResidentBody;
  bytes[0]! ^= 128;
  if (at >= 65_536) await engine.verify!(address, 0, 65_536);
  expect(corrupt).toEqual([]);
  expect(await refusal(() => engine.verify!(address, at, 1))).toBe('integrity');
  expect(corrupt).toEqual([address]);
  expect(engine.stat(address)?.state).toBe('quarantined');
  expect(engine.usage().quarantined).toBe(1);
  expect(() => engine.read(address, 0, 1)).toThrow(RonError);
  expect(await refusal(() => engine.setState(address, 'live', 1))).toBe('integrity');
  await put(engine, sample(size));
  await engine.verify!(address, 0, size);
  expect(engine.usage().quarantined).toBe(0);
});

test('a set of addresses keeps what it is given, also while it grows', () => {
  const set = new AddressSet();
  const address = (n: number) => addressFromHash(env.work.blake3(new Uint8Array(new Uint32Array([n]).buffer)));
  for (let n = 0; n < 5_000; n += 1) expect(set.add(address(n))).toBe(true);
  for (let n = 0; n < 5_000; n += 1) expect(set.add(address(n))).toBe(false);
  for (let n = 5_000; n < 10_000; n += 1) expect(set.has(address(n))).toBe(false);
  expect(set.size).toBe(5_000);
  const zero = `b3:${'0'.repeat(64)}` as Address;
  expect([set.has(zero), set.add(zero), set.has(zero)]).toEqual([false, true, true]);
});
