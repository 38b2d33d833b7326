import { encodeSlice, hashTree } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Range } from './client.ts';
import { blobReply, type ReplyOptions } from './reply.ts';

const size = 200_000;
const group = 65_536;
const bytes = new Uint8Array(size).map((_, index) => (index * 31) ^ (index >> 8));
const tree = hashTree(bytes);
const address = addressFromHash(tree.root);

async function sliceOf(range: Range | undefined): Promise<Uint8Array> {
  const start = range?.start ?? 0;
  const pieces: Uint8Array[] = [];
  const slice = encodeSlice({
    outboard: tree.outboard,
    size,
    start,
    length: (range?.end ?? size) - start,
    readGroup: (index) => bytes.subarray(index * group, (index + 1) * group),
  });
  for await (const piece of slice) pieces.push(piece.slice());
  // Not the Buffer: a slice of that shares its memory, and lies would add up until they cancel out.
  return new Uint8Array(Buffer.concat(pieces));
}

function replyOf(body: Uint8Array, changes: Partial<ReplyOptions> = {}, claimed = size) {
  async function* pieces() {
    for (let at = 0; at < body.byteLength; at += 10_000) yield body.subarray(at, at + 10_000);
  }
  const options = { address, range: undefined, verify: true, corrId: 'c', onProgress: undefined, ...changes };
  return blobReply({ output: { size: claimed }, body: pieces() }, options);
}

test('an honest source, whole and in part', async () => {
  expect(Buffer.compare(await replyOf(await sliceOf(undefined)).bytes(), bytes)).toBe(0);
  const range = { start: 65_000, end: 140_000 };
  expect(Buffer.compare(await replyOf(await sliceOf(range), { range }).bytes(), bytes.subarray(65_000, 140_000))).toBe(
    0,
  );
});

test('a flipped bit anywhere: integrity, and nothing but true bytes before, at most one group late', async () => {
  const honest = await sliceOf(undefined);
  await fc.assert(
    fc.asyncProperty(fc.nat(honest.byteLength - 1), fc.nat(7), async (at, bit) => {
      const lie = honest.slice();
      lie[at]! ^= 1 << bit;
      let got = 0;
      const reading = (async () => {
        for await (const piece of replyOf(lie).stream) {
          expect(Buffer.compare(piece, bytes.subarray(got, got + piece.byteLength))).toBe(0);
          got += piece.byteLength;
        }
      })();
      // A wrong length in the head can also look like an answer that ended early.
      await expect(reading).rejects.toMatchObject({ name: at < 8 ? expect.anything() : 'IntegrityError' });
      expect(got).toBeLessThanOrEqual(at);
      expect(got % group).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('another object under this address, and a lie about the size', async () => {
  const honest = await sliceOf(undefined);
  const other = { address: addressFromHash(hashTree(new Uint8Array(size)).root) };
  await expect(replyOf(honest, other).bytes()).rejects.toMatchObject({ code: 'integrity', corrId: 'c' });
  await expect(replyOf(honest, {}, size - 1).bytes()).rejects.toMatchObject({ code: 'integrity' });
});

test('an answer that stops is a broken connection', async () => {
  const honest = await sliceOf(undefined);
  await expect(replyOf(honest.subarray(0, 100_000)).bytes()).rejects.toMatchObject({ code: 'unavailable' });
  await expect(replyOf(bytes.subarray(1), { verify: false }).bytes()).rejects.toMatchObject({ code: 'unavailable' });
});

test('progress is told in bytes of the content', async () => {
  const seen: number[] = [];
  const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number | undefined }) => {
    expect(totalBytes).toBe(size);
    seen.push(doneBytes);
  };
  await replyOf(await sliceOf(undefined), { onProgress }).bytes();
  expect(seen.at(-1)).toBe(size);
});
