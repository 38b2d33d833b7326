import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pieceBytes } from '../piece-pool.ts';
import { openDiskEngine } from './engine.ts';
import { content } from './testing/engine-harness.ts';

const id = 'ab'.repeat(16);
const meta = { tenant: 't', createdMs: 1, expiresMs: 2 };
const bytes = content(6 * pieceBytes + 12_345);
const config = { bytesMax: 2 ** 30, objectsMax: 10, reserveBytes: 1, syncEveryBytes: pieceBytes };

function open(env: SimEnv) {
  const events = { onCorrupt: (address: string) => expect.unreachable(address) };
  const { clock, random, work, disk } = env;
  return openDiskEngine({ env: { clock, random, work, disk }, folder: 'b', config, events });
}

/** What an upload is after a power cut: its resume offset, and whether the bytes up to there are the right ones. */
async function afterCut(env: SimEnv): Promise<number> {
  await using engine = await open(env);
  const staging = await engine.stagings.open(id);
  const offset = staging?.contiguousBytes ?? 0;
  if (offset > 0) expect(Buffer.compare(await staging!.read(0, offset), bytes.subarray(0, offset))).toBe(0);
  return offset;
}

it('a power cut leaves what was synced of an upload, and nothing is claimed that is not there', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.array(fc.integer({ min: 1, max: 2 * pieceBytes }), { minLength: 1, maxLength: 6 }),
      fc.nat({ max: 6 }),
      async (seed, steps, syncAfter) => {
        const env = createSimEnv({ seed });
        const engine = await open(env);
        const staging = await engine.stagings.create(id, bytes.byteLength, meta);
        let at = 0;
        let synced = 0;
        for (const [index, step] of steps.entries()) {
          const part = bytes.subarray(at, at + step);
          await staging.write(at, part);
          at += part.byteLength;
          expect(staging.contiguousBytes).toBe(at);
          if (index !== syncAfter) continue;
          await staging.sync();
          synced = at;
        }
        const offset = await afterCut(env.crash());
        expect(offset).toBeGreaterThanOrEqual(synced);
        expect(offset).toBeLessThanOrEqual(at);
      },
    ),
    { numRuns: 20 },
  );
});

it('an upload that was never synced by its owner keeps most of what flowed to the disk', async () => {
  const env = createSimEnv({ seed: 7 });
  const engine = await open(env);
  const staging = await engine.stagings.create(id, bytes.byteLength, meta);
  for (let at = 0; at < bytes.byteLength; at += 100_000) await staging.write(at, bytes.subarray(at, at + 100_000));
  // The system writes the note of the last sync whenever it likes; a killed process loses none of it.
  expect(await afterCut(env.kill())).toBeGreaterThanOrEqual(3 * pieceBytes);
});
