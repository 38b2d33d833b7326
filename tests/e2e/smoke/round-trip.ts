import assert from 'node:assert/strict';
import { connect } from '@ron/app-sdk/node';
import { sampleBytes } from '../../support/sample-bytes.ts';
import { assertSameBytes, type Checks } from './checks.ts';
import { addressOf, bytesOf, plain, type Target } from './target.ts';

const KiB = 1_024;
const sizes = [0, 1, KiB, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 1_024 * KiB, 8 * 1_024 * KiB + 1];

/** Objects of several sizes and names, through the SDK over HTTP and OAP, and by plain HTTP. */
export async function checkRoundTrips(checks: Checks, target: Target): Promise<void> {
  const { client, node, durability } = target;
  for (const size of sizes) {
    await checks.check(
      `${size} bytes: put, get, the same address as another BLAKE3, put again sends nothing`,
      async () => {
        const bytes = sampleBytes(size, size + 1);
        const put = await client.blobs.put(bytes);
        assert.equal(put.address, addressOf(bytes));
        assert.deepEqual([put.size, put.stored, put.durability, put.sentBytes], [size, true, durability, size]);
        assertSameBytes(await (await client.blobs.get(put.address)).bytes(), bytes);
        assertSameBytes(await bytesOf(await plain(target, `/o/${put.address}`)), bytes);
        const again = await client.blobs.put(bytes);
        assert.deepEqual([again.stored, again.sentBytes], [false, 0]);
      },
    );
  }
  await checks.check('the same objects over OAP', async () => {
    await using oap = connect({ url: `oap://${node.oap}`, capability: node.capability });
    for (const size of sizes) {
      const bytes = sampleBytes(size, size + 1);
      assertSameBytes(await (await oap.blobs.get(addressOf(bytes))).bytes(), bytes);
    }
    const stored = await oap.blobs.put(sampleBytes(100_000, 77));
    assertSameBytes(await (await client.blobs.get(stored.address)).bytes(), sampleBytes(100_000, 77));
  });
  await checks.check('wrong bytes for an address: 422, and nothing is stored', async () => {
    const wrong = addressOf(sampleBytes(10, 500));
    const refused = client.blobs.put(sampleBytes(10, 501), { address: wrong, assumeMissing: true });
    await assert.rejects(refused, { code: 'bad_digest' });
    assert.deepEqual((await client.blobs.has([wrong])).missing, [wrong]);
  });
  await checks.check('names: set, conflict, resolve, history, rollback, list, remove', async () => {
    const [one, two] = [await client.blobs.put('one'), await client.blobs.put('two')];
    await client.names.set('docs/readme', one.address, { ifVersion: 0 });
    await assert.rejects(client.names.set('docs/readme', two.address, { ifVersion: 0 }), { code: 'conflict' });
    await client.names.set('docs/readme', two.address, { ifVersion: 1 });
    assert.equal((await client.names.resolve('docs/readme')).address, two.address);
    assert.equal(await (await client.names.get('docs/readme')).text(), 'two');
    await client.names.rollback('docs/readme', 1);
    const versions: number[] = [];
    for await (const { version } of client.names.history('docs/readme')) versions.push(version);
    assert.deepEqual(versions, [3, 2, 1]);
    const listed: string[] = [];
    for await (const { name } of client.names.list('docs/')) listed.push(name);
    assert.deepEqual(listed, ['docs/readme']);
    await client.names.remove('docs/readme');
    await assert.rejects(client.names.resolve('docs/readme', { fresh: true }), { code: 'not_found' });
  });
}
