import assert from 'node:assert/strict';
import { connect } from '@ron/app-sdk/node';
import * as tus from 'tus-js-client';
import { sampleBytes } from '../../support/sample-bytes.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { assertSameBytes, type Checks } from './checks.ts';
import { addressOf, bytesOf, codeOf, plain, type Target } from './target.ts';

const MiB = 1_024 * 1_024;

/** Uploads that break and go on: by hand, through the SDK, and with the tus project's own client. */
export async function checkUploads(checks: Checks, target: Target): Promise<void> {
  await checks.check('tus by hand: create, half, offset, wrong offset, the rest', async () => {
    const bytes = sampleBytes(200_000, 900);
    const tusHeaders = { 'tus-resumable': '1.0.0' };
    const create = await plain(target, '/uploads', {
      method: 'POST',
      headers: { ...tusHeaders, 'upload-length': '200000' },
    });
    assert.equal(create.status, 201);
    const path = new URL(create.headers.get('location')!, target.node.url).pathname;
    const send = (offset: number, end: number) =>
      plain(target, path, {
        method: 'PATCH',
        headers: { ...tusHeaders, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
        body: bytes.slice(offset, end),
      });
    assert.equal((await send(0, 70_000)).status, 204);
    const status = await plain(target, path, { method: 'HEAD', headers: tusHeaders });
    assert.deepEqual([status.headers.get('upload-offset'), status.headers.get('upload-length')], ['70000', '200000']);
    assert.equal(await codeOf(await send(100_000, 200_000)), '409 conflict');
    assert.equal((await send(70_000, 200_000)).status, 204);
    assertSameBytes(await bytesOf(await plain(target, `/o/${addressOf(bytes)}`)), bytes);
  });
  await checks.check('tus-js-client, stopped in the middle and resumed', async () => {
    const bytes = sampleBytes(6 * MiB + 17, 901);
    const first = await interrupted(target, bytes);
    assert.ok(first.sentBytes > 0 && first.sentBytes < bytes.byteLength, `${first.sentBytes} bytes before the stop`);
    const resumedFrom = await finished(target, bytes, first.url);
    assert.ok(resumedFrom > 0, 'the second run began at the start');
    assertSameBytes(await bytesOf(await plain(target, `/o/${addressOf(bytes)}`)), bytes);
  });
  await checks.check('the SDK goes on with an upload past 64 MiB after its connection was cut', async () => {
    const size = 65 * MiB;
    const bytes = sampleBytes(size, 902);
    const { hostname, port } = new URL(target.node.url);
    await using proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    await using client = connect({ url: `http://127.0.0.1:${proxy.port}`, capability: target.node.capability });
    let cuts = 0;
    const source = {
      sizeBytes: size,
      async *read(start: number, end: number) {
        for (let at = start; at < end; at += MiB) {
          if (proxy.sentBytes >= 20 * MiB && cuts === 0) {
            cuts += 1;
            proxy.cut();
          }
          yield bytes.subarray(at, Math.min(at + MiB, end));
        }
      },
    };
    const put = await client.blobs.put(source);
    assert.equal(cuts, 1);
    assert.equal(put.address, addressOf(bytes));
    assert.ok(put.sentBytes < 1.5 * size, `${put.sentBytes} bytes travelled: it began anew`);
    assertSameBytes(await (await target.client.blobs.get(put.address)).bytes(), bytes);
  });
}

function tusOptions({ node }: Target): tus.UploadOptions {
  return {
    endpoint: `${node.url}/uploads`,
    headers: { Authorization: `Bearer ${node.capability}` },
    chunkSize: MiB,
    retryDelays: [],
    storeFingerprintForResuming: false,
  };
}

function interrupted(target: Target, bytes: Uint8Array): Promise<{ url: string; sentBytes: number }> {
  return new Promise((resolve, reject) => {
    let sentBytes = 0;
    const upload: tus.Upload = new tus.Upload(Buffer.from(bytes), {
      ...tusOptions(target),
      onError: reject,
      onSuccess: () => reject(new Error('the upload ended before it was stopped')),
      onChunkComplete(_size, accepted) {
        sentBytes = accepted;
        if (accepted < 2 * MiB) return;
        upload.abort().then(() => resolve({ url: upload.url!, sentBytes }), reject);
      },
    });
    upload.start();
  });
}

function finished(target: Target, bytes: Uint8Array, uploadUrl: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let from: number | undefined;
    new tus.Upload(Buffer.from(bytes), {
      ...tusOptions(target),
      uploadUrl,
      onProgress(sent) {
        from ??= sent;
      },
      onError: reject,
      onSuccess: () => resolve(from ?? 0),
    }).start();
  });
}
