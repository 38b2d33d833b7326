import { createServer } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import type { RonClient, Transport } from '@ron/app-sdk';
import { connect as connectAnywhere } from '@ron/app-sdk';
import { connect, createHttpTransport, createOapTransport } from '@ron/app-sdk/node';
import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type InProcessNode, startInProcessNode } from '../support/in-process-node.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';

type Open = (node: InProcessNode, capability?: string) => RonClient;
/** What a client sees is the same whatever carries its calls. */
const transports: readonly [string, Open][] = [
  ['fetch', ({ url }, capability) => connectAnywhere({ url, ...(capability === undefined ? {} : { capability }) })],
  [
    'node:http',
    ({ url }, capability) =>
      over(
        createHttpTransport(url, () => capability),
        capability,
      ),
  ],
  [
    'oap',
    ({ oapUrl }, capability) =>
      over(
        createOapTransport(oapUrl, () => capability),
        capability,
      ),
  ],
];

function over(transport: Transport, capability: string | undefined): RonClient {
  return connect({ transport, ...(capability === undefined ? {} : { capability }) });
}

const sizes = [0, 1, 1_024, 65_535, 65_536, 65_537, 1_048_576 + 1, 5_000_000];

describe.each(transports)('over %s', (name, open) => {
  const seed = 7 + transports.findIndex(([other]) => other === name);
  const stack = new AsyncDisposableStack();
  let node: InProcessNode;
  let client: RonClient;
  beforeAll(async () => {
    node = stack.use(await startInProcessNode());
    client = stack.use(open(node, node.capability));
  });
  afterAll(() => stack.disposeAsync());

  test.each(sizes)('%i bytes go in, come out, and are known then', async (size) => {
    const bytes = sampleBytes(size, seed);
    const put = await client.blobs.put(bytes);
    expect(put.address).toBe(addressFromHash(hash(bytes)));
    expect(put.size).toBe(size);
    const reply = await client.blobs.get(put.address);
    expect([reply.size, reply.start, reply.end]).toEqual([size, 0, size]);
    expect(Buffer.compare(await reply.bytes(), bytes)).toBe(0);
    expect(await client.blobs.put(bytes)).toMatchObject({ stored: false, sentBytes: 0 });
    expect(await client.blobs.stat(put.address)).toEqual({ address: put.address, size });
  });

  test('a new object says what was done for it', async () => {
    const put = await client.blobs.put(sampleBytes(100, seed + 50));
    expect(put).toMatchObject({ stored: true, durability: 'memory', sentBytes: 100 });
  });

  test('a source that passes once', async () => {
    const bytes = sampleBytes(300_000, seed + 60);
    const seen: number[] = [];
    const put = await client.blobs.put(pieces(bytes), { onProgress: ({ doneBytes }) => seen.push(doneBytes) });
    expect(put).toMatchObject({
      address: addressFromHash(hash(bytes)),
      size: 300_000,
      stored: true,
      sentBytes: 300_000,
    });
    expect(seen.at(-1)).toBe(300_000);
    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();
    expect(await client.blobs.put(stream)).toMatchObject({ address: put.address, stored: false });
  });

  test.each([
    [0, 1],
    [65_530, 65_540],
    [199_999, undefined],
    [100_000, 900_000],
  ])('the range %s to %s, verified and plain', async (start, end) => {
    const bytes = sampleBytes(200_000, seed + 70);
    const { address } = await client.blobs.put(bytes);
    for (const verify of [true, false]) {
      const range = { start, ...(end === undefined ? {} : { end }) };
      const reply = await client.blobs.get(address, { range, verify });
      expect(Buffer.compare(await reply.bytes(), bytes.subarray(start, end)), `verify ${verify}`).toBe(0);
      expect(reply.size).toBe(200_000);
    }
  });

  test('a view: many items in one call, each with its own result and its own right', async () => {
    const { address } = await client.blobs.put(`viewed ${seed}`);
    const absent = addressFromHash(hash(sampleBytes(13, seed + 95)));
    await client.names.set(`view${seed}/a`, address);
    await client.mailbox(`view${seed}`).send('hello');
    const view = await client.view({
      names: [`view${seed}/none`, `view${seed}/a`],
      objects: [address, absent],
      boxes: [`view${seed}`, 'none'],
    });
    expect(view.names.map(({ ok, error }) => error?.code ?? ok?.address)).toEqual(['not_found', address]);
    expect(view.objects.map(({ ok, error }) => error?.code ?? ok?.address)).toEqual([address, 'not_found']);
    expect(view.boxes.map(({ ok, error }) => error?.code ?? ok?.ready)).toEqual([1, 'not_found']);
    await using weaker = open(node, node.mint([{ methods: ['read'], prefix: `n/view${seed}` }]));
    const part = await weaker.view({ names: [`view${seed}/a`, 'other'], objects: [address, absent] });
    expect(part.names.map(({ ok, error }) => error?.code ?? ok?.address)).toEqual([address, 'forbidden']);
    expect(part.objects.map(({ error }) => error?.code)).toEqual(['forbidden', 'forbidden']);
    await using stranger = open(node);
    await expect(stranger.view({})).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(client.view({ names: Array(65).fill('a') })).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('a range outside is refused', async () => {
    const { address } = await client.blobs.put(sampleBytes(10, seed + 80));
    await expect(client.blobs.get(address, { range: { start: 10 } })).rejects.toMatchObject({
      code: 'range_not_satisfiable',
    });
  });

  test('what is absent, and which of many', async () => {
    const { address } = await client.blobs.put(sampleBytes(10, seed + 90));
    const absent = addressFromHash(hash(sampleBytes(11, seed + 91)));
    await expect(client.blobs.get(absent)).rejects.toMatchObject({ code: 'not_found', retryable: false });
    await expect(client.blobs.stat(absent)).rejects.toMatchObject({ code: 'not_found' });
    expect(await client.blobs.has([absent, address])).toEqual({ present: [address], missing: [absent] });
  });

  test('names: set, compare, resolve, history, roll back, list, read, remove', async () => {
    const id = `n${seed}/readme`;
    const first = await client.blobs.put(`first ${seed}`);
    const second = await client.blobs.put(`second ${seed}`);
    const record = await client.names.set(id, first.address, { ifVersion: 0 });
    expect(Object.keys(record).sort()).toEqual(
      ['address', 'name', 'owner', 'prev', 'signature', 'updated_at', 'version'].sort(),
    );
    await expect(client.names.set(id, second.address, { ifVersion: 0 })).rejects.toMatchObject({ code: 'conflict' });
    expect(await client.names.set(id, second.address, { ifVersion: record.version })).toMatchObject({
      version: record.version + 1,
      prev: first.address,
    });
    const resolved = await client.names.resolve(id, { fresh: true });
    expect(resolved).toMatchObject({ name: id, address: second.address });
    expect(resolved).not.toHaveProperty('status');
    const got = await client.names.get(id);
    expect([got.name, got.version, got.address, await got.text()]).toEqual([id, 2, second.address, `second ${seed}`]);
    await client.names.rollback(id, 1);
    expect((await client.names.resolve(id)).address).toBe(first.address);
    expect((await all(client.names.history(id))).map(({ version }) => version)).toEqual([3, 2, 1]);
    expect((await all(client.names.list(`n${seed}/`))).map((item) => item.name)).toEqual([id]);
    await client.names.remove(id, { ifVersion: 3 });
    await expect(client.names.resolve(id, { fresh: true })).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a name is set and removed with receipts, and the log proves both', async () => {
    const id = `n${seed}/proven`;
    const { address } = await client.blobs.put(`proven ${seed}`);
    const set = await client.names.set(id, address, { receipt: true });
    expect(set).toMatchObject({ version: 1, address });
    const { index, entry, checkpoint } = set.receipt;
    expect(entry).toMatchObject({ op: 'gateway.set_name', outcome: 'ok', resources: [`n/${id}`] });
    expect(entry.fields).toMatchObject({ name: id, address, version: '1' });
    const { receipt } = await client.names.remove(id, { receipt: true });
    expect(receipt.entry).toMatchObject({ op: 'gateway.remove_name', subject: entry.subject });
    expect(receipt.index).toBeGreaterThan(index);
    expect((await client.audit.checkpoint()).size).toBeGreaterThan(receipt.index);
    expect((await client.audit.prove(index)).entry).toEqual(entry);
    await expect(client.audit.prove(1_000_000)).rejects.toMatchObject({ code: 'not_found' });
    // The receipt holds by itself, where no node answers, and under no other key.
    const [key] = await client.audit.keys();
    const elsewhere = (auditKeys: string) => connectAnywhere({ url: 'http://127.0.0.1:1', auditKeys });
    expect(await elsewhere(key!).audit.verify(set.receipt.text)).toEqual({ ...set.receipt, checkpoint });
    await using other = await startInProcessNode();
    await using stranger = connectAnywhere({ url: other.url });
    const [otherKey] = await stranger.audit.keys();
    await expect(elsewhere(otherKey!).audit.verify(set.receipt.text)).rejects.toMatchObject({ code: 'integrity' });
  });

  test('the log is read as it comes, and exported whole', async () => {
    const indexes: number[] = [];
    for await (const line of client.audit.tail({ from: 0 })) if (indexes.push(line.index) >= 2) break;
    expect(indexes).toEqual([0, 1]);
    const { origin } = await client.audit.checkpoint();
    const pieces = await all(await client.audit.export({ from: 1 }));
    const [head, ...lines] = Buffer.concat(pieces).toString().trimEnd().split('\n');
    const { from, to, checkpoint } = JSON.parse(head!) as { from: number; to: number; checkpoint: string };
    expect([from, checkpoint.split('\n').slice(0, 2)]).toEqual([1, [origin, String(to)]]);
    expect(lines.map((line) => JSON.parse(line).index)).toEqual(Array.from({ length: to - 1 }, (_, at) => at + 1));
  });

  test('a name beyond ASCII', async () => {
    const { address } = await client.blobs.put('umlaut');
    await client.names.set(`n${seed}/bücher`, address);
    const got = await client.names.get(`n${seed}/bücher`);
    expect([got.name, await got.text()]).toEqual([`n${seed}/bücher`, 'umlaut']);
  });

  test('a bundle, read by address and by name', async () => {
    const big = sampleBytes(150_000, seed + 100);
    const entries = [
      { path: 'index.html', source: `<h1>${seed}</h1>` },
      { path: 'a folder/größe.bin', source: big },
      { path: 'copy.bin', source: big },
    ];
    const put = await client.bundles.put(entries);
    expect(put.storedEntries).toBe(2);
    expect((await client.bundles.put(entries)).sentBytes).toBe(0);
    const bundle = await client.bundles.open(put.address);
    expect(bundle.entries.map(({ path }) => path)).toEqual(['a folder/größe.bin', 'copy.bin', 'index.html']);
    const entry = await bundle.get('a folder/größe.bin', { range: { start: 70_000, end: 70_010 } });
    expect(Buffer.compare(await entry.bytes(), big.subarray(70_000, 70_010))).toBe(0);
    const html = await bundle.get('index.html');
    expect([html.contentType, await html.text()]).toEqual(['text/html; charset=utf-8', `<h1>${seed}</h1>`]);
    await expect(bundle.get('nothing')).rejects.toMatchObject({ code: 'not_found' });
    await client.names.set(`site${seed}`, put.address);
    expect(await (await client.names.get(`site${seed}/index.html`)).text()).toBe(`<h1>${seed}</h1>`);
  });

  test('capabilities: none, one of another node, a narrow one, an expired one', async () => {
    const { address } = await client.blobs.put('guarded');
    await using nobody = open(node);
    await expect(nobody.blobs.get(address)).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(nobody.blobs.put('nothing')).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(nobody.blobs.put(pieces(sampleBytes(3_000_000)))).rejects.toMatchObject({ code: 'unauthenticated' });
    await using foreignNode = await startInProcessNode();
    await using foreign = open(node, foreignNode.capability);
    await expect(foreign.blobs.get(address)).rejects.toMatchObject({ code: 'unauthenticated' });
    await using expired = open(node, client.caps.attenuate({ expiresAtMs: Date.now() - 3_600_000 }));
    await expect(expired.blobs.get(address)).rejects.toMatchObject({ code: 'unauthenticated' });
    await using reader = open(node, client.caps.attenuate({ rights: [{ methods: ['read'], prefix: 'o/' }] }));
    expect(await (await reader.blobs.get(address)).text()).toBe('guarded');
    await expect(reader.blobs.put('new')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(reader.names.resolve('site')).rejects.toMatchObject({ code: 'forbidden' });
    expect(await reader.caps.whoami()).toMatchObject({
      subject: 'test',
      rights: [expect.anything(), expect.anything()],
    });
  });

  test('errors carry the corr_id that the caller chose, and advice', async () => {
    const absent = addressFromHash(hash(sampleBytes(12, seed + 91)));
    const error = await client.blobs.get(absent, { corrId: 'chosen-by-test' }).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'NotFoundError', corrId: 'chosen-by-test', advice: expect.any(String) });
  });

  test('bytes that are not those of the address', async () => {
    const wrong = addressFromHash(hash(sampleBytes(500, seed + 110)));
    const lie = client.blobs.put(sampleBytes(500, seed + 111), { address: wrong, assumeMissing: true });
    await expect(lie).rejects.toMatchObject({ name: 'IntegrityError', code: 'bad_digest' });
    expect((await client.blobs.has([wrong])).missing).toEqual([wrong]);
  });

  test('a caller that leaves ends its call', async () => {
    const { address } = await client.blobs.put(sampleBytes(4_000_000, seed + 120));
    const controller = new AbortController();
    const reply = await client.blobs.get(address, { signal: controller.signal });
    const reading = (async () => {
      for await (const _piece of reply.stream) controller.abort();
    })();
    await expect(reading).rejects.toMatchObject({ retryable: true });
    await expect(client.blobs.get(address, { signal: controller.signal })).rejects.toThrow();
    // A hundred readers that leave early take nothing from those that stay.
    for (let round = 0; round < 100; round += 1) {
      const { stream } = await client.blobs.get(address);
      for await (const _piece of stream) break;
    }
    expect((await (await client.blobs.get(address)).bytes()).byteLength).toBe(4_000_000);
  });

  test('many calls at once', async () => {
    const puts = await Promise.all(
      Array.from({ length: 150 }, (_, index) => client.blobs.put(`${seed} number ${index}`)),
    );
    const texts = await Promise.all(puts.map(async ({ address }) => (await client.blobs.get(address)).text()));
    expect(texts).toEqual(puts.map((_, index) => `${seed} number ${index}`));
  });

  test('a resumable upload of more than the threshold', async () => {
    const bytes = sampleBytes(64 * 1_024 * 1_024 + 5, seed + 130);
    const put = await client.blobs.put(bytes);
    expect(put).toMatchObject({ size: bytes.byteLength, stored: true, sentBytes: bytes.byteLength });
    const tail = await client.blobs.get(put.address, { range: { start: bytes.byteLength - 10 } });
    expect(Buffer.compare(await tail.bytes(), bytes.subarray(-10))).toBe(0);
  });

  test('administration', async () => {
    const { address } = await client.blobs.put(`unreferenced ${seed}`);
    expect(await client.node.usage()).not.toHaveProperty('status');
    expect(await client.node.why(address)).toMatchObject({ address });
    expect(await client.node.scrub('status')).toBeTypeOf('object');
    expect(await client.node.collect({ dryRun: true })).toBeTypeOf('object');
  });

  test('nobody listens', async () => {
    await using closed = await closedPort();
    const { port } = closed;
    const capability = () => undefined;
    const nowhere =
      name === 'fetch'
        ? connectAnywhere({ url: `http://127.0.0.1:${port}` })
        : name === 'oap'
          ? over(createOapTransport(`oap://127.0.0.1:${port}`, capability), undefined)
          : over(createHttpTransport(`http://127.0.0.1:${port}`, capability), undefined);
    await using client = nowhere;
    await expect(client.names.resolve('a', { timeoutMs: 50 })).rejects.toMatchObject({ name: 'UnavailableError' });
  });
});

test('operations endpoints are on HTTP', async () => {
  await using node = await startInProcessNode();
  await using client = connect({ url: node.url });
  expect(await client.node.readiness()).toMatchObject({ ready: true });
  expect(await client.node.version()).toMatchObject({ name: 'micronode' });
  expect(await client.node.metrics()).toContain('requests_total{');
  await using oap = connect({ url: node.oapUrl });
  await expect(oap.node.metrics()).rejects.toMatchObject({ name: 'RonClientError' });
});

test('OAP over a Unix socket', async () => {
  using folder = tempFolder();
  await using node = await startInProcessNode({ 'server.oap_listen': `unix:${folder.join('ron.sock')}` });
  await using client = connect({ url: node.oapUrl, capability: node.capability });
  const { address } = await client.blobs.put(sampleBytes(3_000_000));
  expect(Buffer.compare(await (await client.blobs.get(address)).bytes(), sampleBytes(3_000_000))).toBe(0);
});

test('a connection that was lost is dialled again', async () => {
  using folder = tempFolder();
  // A path stays free for who comes back, which a port does not.
  const samePlace = { 'server.oap_listen': `unix:${folder.join('ron.sock')}` };
  const second = await startInProcessNode(samePlace);
  await using client = connect({ url: second.oapUrl, capability: second.capability });
  await client.blobs.put('before');
  await second[Symbol.asyncDispose]();
  await using third = await startInProcessNode(samePlace);
  await using other = connect({ url: third.oapUrl, capability: third.capability });
  await other.blobs.put('after');
  // The capability is one of the node that is gone; that it is refused shows that there is an answer.
  await expect(client.blobs.put('after')).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('a node that breaks off in the middle is unavailable, not trusted', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'ron-size': '100', 'content-length': '100' });
    response.write('half');
    response.socket!.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const address = addressFromHash(hash(new Uint8Array(100)));
  for (const client of [connectAnywhere({ url }), connect({ url })]) {
    await using open = client;
    const reply = await open.blobs.get(address, { verify: false });
    await expect(reply.bytes()).rejects.toMatchObject({ code: 'unavailable' });
  }
  server.closeAllConnections();
  server.close();
});

/** Nobody listens there, and nobody else can: it is this end of a connection. */
async function closedPort(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connectTcp((server.address() as AddressInfo).port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return {
    port: socket.localPort!,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 50_000) yield bytes.subarray(at, at + 50_000);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
