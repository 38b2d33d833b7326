import assert from 'node:assert/strict';
import { connect } from '@ron/app-sdk/node';
import { startNodeProcess } from '../../support/node-process.ts';
import { sampleBytes } from '../../support/sample-bytes.ts';
import { assertSameBytes, type Checks } from './checks.ts';

/** A durable node comes back with what it acknowledged, after an orderly stop and after kill -9. */
export async function checkRestart(checks: Checks, folder: string): Promise<void> {
  await checks.check('after a restart the names, objects and root key are still there', async () => {
    await using node = await startNodeProcess({ persist: folder });
    await using client = connect({ url: node.url, capability: node.capability });
    assert.equal((await client.names.resolve('site')).version, 1);
    assert.match(await (await client.names.get('site/index.html')).text(), /stylesheet/);
  });
  await checks.check('kill -9 right after the acknowledgement loses nothing', async () => {
    const bytes = sampleBytes(300_000, 4_321);
    const small = sampleBytes(300, 4_322);
    const killed = await startNodeProcess({ persist: folder });
    await using first = connect({ url: killed.url, capability: killed.capability });
    const { address } = await first.blobs.put(bytes);
    await first.names.set('kept/small', (await first.blobs.put(small)).address);
    killed.kill('SIGKILL');
    await killed.exited;
    await using node = await startNodeProcess({ persist: folder });
    // The key is durable, so the capability that the killed node printed is still good.
    await using client = connect({ url: node.url, capability: killed.capability });
    assertSameBytes(await (await client.blobs.get(address)).bytes(), bytes);
    assertSameBytes(await (await client.names.get('kept/small')).bytes(), small);
  });
}
