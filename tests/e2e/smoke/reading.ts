import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createOutboardVerifier, createSliceVerifier, VerificationError } from '@ron/b3';
import { hashFromAddress, parseAddress } from '@ron/naming';
import { sampleBytes } from '../../support/sample-bytes.ts';
import { assertSameBytes, type Checks } from './checks.ts';
import { bytesOf, codeOf, plain, type Target } from './target.ts';

const group = 65_536;

/** Ranges, conditionals, slices and outboards, seen by a plain HTTP client. */
export async function checkReading(checks: Checks, target: Target): Promise<void> {
  const bytes = sampleBytes(5 * group + 123, 1_234);
  const { address } = await target.client.blobs.put(bytes);
  const read = (headers: Record<string, string>, method = 'GET') => plain(target, `/o/${address}`, { headers, method });
  await checks.check('one range: 206, Content-Range, strong ETag, immutable', async () => {
    const response = await read({ range: 'bytes=10-99' });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get('content-range'), `bytes 10-99/${bytes.byteLength}`);
    assert.equal(response.headers.get('etag'), `"${address}"`);
    assert.match(response.headers.get('cache-control') ?? '', /immutable/);
    assertSameBytes(await bytesOf(response), bytes.subarray(10, 100));
    assertSameBytes(await bytesOf(await read({ range: 'bytes=-5' })), bytes.subarray(-5));
    assertSameBytes(await bytesOf(await read({ range: `bytes=${group - 1}-` })), bytes.subarray(group - 1));
  });
  await checks.check('two ranges: multipart/byteranges', async () => {
    const response = await read({ range: `bytes=0-4,${2 * group}-${2 * group + 9}` });
    assert.equal(response.status, 206);
    const boundary = /^multipart\/byteranges; ?boundary="?([^"]+)"?$/.exec(
      response.headers.get('content-type') ?? '',
    )?.[1];
    assert.ok(boundary !== undefined, `content-type ${response.headers.get('content-type')}`);
    const text = Buffer.from(await bytesOf(response)).toString('latin1');
    const parts = text.split(`--${boundary}`).slice(1, -1);
    const contents = parts.map((part) => Buffer.from(part.slice(part.indexOf('\r\n\r\n') + 4, -2), 'latin1'));
    assertSameBytes(
      Buffer.concat(contents),
      Buffer.concat([bytes.subarray(0, 5), bytes.subarray(2 * group, 2 * group + 10)]),
    );
    assert.deepEqual(
      parts.map((part) => /content-range: ([^\r]+)/i.exec(part)?.[1]),
      [`bytes 0-4/${bytes.byteLength}`, `bytes ${2 * group}-${2 * group + 9}/${bytes.byteLength}`],
    );
  });
  await checks.check('ranges outside, huge and odd', async () => {
    const outside = await read({ range: `bytes=${bytes.byteLength}-` });
    assert.equal(outside.headers.get('content-range'), `bytes */${bytes.byteLength}`);
    assert.equal(await codeOf(outside), '416 range_not_satisfiable');
    assert.equal((await read({ range: 'bytes=0-99999999999999999999' })).status, 206);
    assert.equal((await read({ range: 'lines=1-2' })).status, 200);
  });
  await checks.check('conditionals: 304, If-Range, HEAD', async () => {
    assert.equal((await read({ 'if-none-match': `"${address}"` })).status, 304);
    assert.equal((await read({ 'if-none-match': '"other"' }, 'HEAD')).status, 200);
    assert.equal((await read({ range: 'bytes=0-0', 'if-range': `"${address}"` })).status, 206);
    assert.equal((await read({ range: 'bytes=0-0', 'if-range': '"other"' })).status, 200);
    const head = await read({}, 'HEAD');
    assert.equal(head.headers.get('content-length'), String(bytes.byteLength));
    assert.equal((await bytesOf(head)).byteLength, 0);
  });
  await checks.check('a slice of a range verifies itself, and a flipped bit is refused', async () => {
    const response = await read({ range: `bytes=${group}-${3 * group}`, accept: 'application/vnd.ron.b3-slice' });
    const slice = await bytesOf(response);
    const open = () =>
      createSliceVerifier({ root: hashFromAddress(parseAddress(address)), start: group, length: 2 * group + 1 });
    const verifier = open();
    const pieces = [...verifier.push(slice)];
    verifier.finish();
    assertSameBytes(Buffer.concat(pieces), bytes.subarray(group, 3 * group + 1));
    slice[slice.byteLength - 1_000]! ^= 1;
    assert.throws(() => [...open().push(slice)], VerificationError);
  });
  await checks.check('an outboard verifies plain ranges from another static server', async () => {
    const outboard = await bytesOf(await plain(target, `/o/${address}.outboard`));
    const held = new Map([
      ['/big.bin', bytes],
      ['/big.outboard', outboard],
    ]);
    await using other = await staticServer(held);
    const fetched = await bytesOf(await fetch(`${other.url}/big.outboard`));
    const verifier = createOutboardVerifier({ root: hashFromAddress(parseAddress(address)), outboard: fetched });
    for (const index of [4, 0, verifier.groupCount - 1]) {
      const start = index * group;
      const range = `bytes=${start}-${start + verifier.groupLength(index) - 1}`;
      const piece = await bytesOf(await fetch(`${other.url}/big.bin`, { headers: { range } }));
      verifier.verifyGroup(index, piece);
      piece[0]! ^= 1;
      assert.throws(() => verifier.verifyGroup(index, piece), VerificationError);
    }
  });
}

/** A server that knows nothing of us: files and single ranges. */
async function staticServer(files: ReadonlyMap<string, Uint8Array>): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '')!;
    const [, from = '0', to = String(file.byteLength - 1)] =
      /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    response.writeHead(request.headers.range === undefined ? 200 : 206);
    response.end(file.subarray(Number(from), Number(to) + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
