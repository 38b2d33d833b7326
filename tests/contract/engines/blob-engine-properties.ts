import type { Address } from '@ron/naming';
import type { BlobEngine } from '@ron/svc-storage/service';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressOf, bytesOf, put, sample } from './blob-calls.ts';

/** Contents are few so that operations meet; their sizes lie around the borders of groups. */
const contents = [0, 1, 300, 65_535, 65_536, 65_537, 200_000].map((size, index) => sample(size, index + 1));
const addresses = contents.map(addressOf);

interface ModelObject {
  state: 'live' | 'trash';
  readonly pins: Set<string>;
}

const item = fc.nat({ max: contents.length - 1 });
const operation = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), item, split: fc.constantFrom(999, 65_536, 1_000_000) }),
  fc.record({ kind: fc.constantFrom('abort' as const, 'stage' as const, 'purge' as const, 'read' as const), item }),
  fc.record({ kind: fc.constant('state' as const), item, state: fc.constantFrom('live' as const, 'trash' as const) }),
  fc.record({ kind: fc.constant('pin' as const), item, holder: fc.constantFrom('a', 'b'), pinned: fc.boolean() }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Random histories against a `Map`; the engine must agree after every step. */
export function blobEngineProperties(open: () => Promise<BlobEngine>): void {
  test('agrees with a map of objects over any history (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (history) => {
        await using engine = await open();
        const model = new Map<Address, ModelObject>();
        for (const step of history) {
          await apply(engine, model, step);
          compare(engine, model);
        }
        for (const address of model.keys()) {
          const expected = contents[addresses.indexOf(address)]!;
          expect(Buffer.compare(await bytesOf(engine, address), expected)).toBe(0);
        }
      }),
      { numRuns: 25 },
    );
  });
}

async function apply(engine: BlobEngine, model: Map<Address, ModelObject>, step: Operation): Promise<void> {
  const bytes = contents[step.item]!;
  const address = addresses[step.item]!;
  const known = model.get(address);
  switch (step.kind) {
    case 'put':
    case 'stage': {
      const split = step.kind === 'put' ? step.split : undefined;
      const result = split === undefined ? await stage(engine, bytes) : await put(engine, bytes, { split });
      expect(result.stored).toBe(known?.state !== 'live');
      model.set(address, { state: 'live', pins: known?.pins ?? new Set() });
      return;
    }
    case 'abort': {
      await using writer = await engine.create(undefined);
      await writer.write(bytes);
      return;
    }
    case 'purge':
      if (known?.state !== 'trash') return await expect(engine.purge(address)).rejects.toThrow();
      await engine.purge(address);
      model.delete(address);
      return;
    case 'read':
      if (known === undefined) return await expect(bytesOf(engine, address, 0, 0)).rejects.toThrow();
      expect(Buffer.compare(await bytesOf(engine, address), bytes)).toBe(0);
      return;
    case 'state':
      if (known === undefined) return await expect(engine.setState(address, step.state, 1)).rejects.toThrow();
      await engine.setState(address, step.state, 1);
      known.state = step.state;
      return;
    default:
      if (known === undefined && step.pinned) return await expect(engine.setPin(address, 'a', true)).rejects.toThrow();
      await engine.setPin(address, step.holder, step.pinned);
      if (step.pinned) known?.pins.add(step.holder);
      else known?.pins.delete(step.holder);
  }
}

async function stage(engine: BlobEngine, bytes: Uint8Array) {
  const meta = { tenant: '', createdMs: 1, expiresMs: 2 };
  const staging = await engine.stagings.create('0'.repeat(32), bytes.byteLength, meta);
  await staging.write(0, bytes);
  return await staging.commit(undefined);
}

function compare(engine: BlobEngine, model: ReadonlyMap<Address, ModelObject>): void {
  const seen = [...engine.entries()].map(({ address }) => address).sort();
  expect(seen).toEqual([...model.keys()].sort());
  let trashBytes = 0;
  for (const [address, { state, pins }] of model) {
    const sizeBytes = contents[addresses.indexOf(address)]!.byteLength;
    expect(engine.stat(address)).toMatchObject({ address, state, sizeBytes });
    expect([...engine.pins(address)].sort()).toEqual([...pins].sort());
    if (state === 'trash') trashBytes += sizeBytes;
  }
  const trashObjects = [...model.values()].filter(({ state }) => state === 'trash').length;
  expect(engine.usage()).toMatchObject({ objects: model.size, trashObjects, trashBytes, quarantined: 0 });
}
