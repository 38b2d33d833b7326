import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, reloadConfig } from '@ron/kernel';
import { afterEach, expect, test } from 'vitest';
import { startNode } from '../fixtures/start-node.ts';

type Node = Awaited<ReturnType<typeof startNode>>;
const nodes: Node[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const { node } of nodes.splice(0).reverse()) await node[Symbol.asyncDispose]();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

const onLoopback = {
  'network.listen': '127.0.0.1:0',
  'network.dial_private': 'true',
  'overlay.probe_period_ms': '200',
};
/** Only bounds a hang. */
const patience = { timeout: 120_000, interval: 20 };
const silence = () => undefined;
const silent: Log = { debug: silence, info: silence, warn: silence, error: silence, child: () => silent };

const idOf = ({ node }: Node) => node.contact!.id;

/** One more node, which knows the first; `trustAll` comes after it. */
async function start(overrides: Readonly<Record<string, string>> = {}, folder?: string): Promise<Node> {
  const [first] = nodes;
  const contact = first?.node.contact;
  const seeds = contact === undefined ? {} : { 'network.seeds': `${contact.id}@${contact.address}` };
  const node = await startNode({ ...onLoopback, ...seeds, ...overrides }, folder === undefined ? {} : { folder });
  nodes.push(node);
  return node;
}

/** All trust each other, and each sees all others. */
async function meet(): Promise<void> {
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node).map((other) => `"${idOf(other)}"`);
    reloadConfig(node.config, `[network]\ntrusted = [${others.join(', ')}]\n`, silent);
  }
  const alive = async (node: Node) =>
    ((await asAdmin(node, '/overlay/peers')) as { members: { alive: number } }).members.alive;
  for (const node of nodes) await expect.poll(() => alive(node), patience).toBe(nodes.length - 1);
}

async function asAdmin({ ask, capabilityFor }: Node, path: string, body?: object): Promise<unknown> {
  const capability = capabilityFor([{ methods: ['read', 'write', 'delete', 'admin'], prefix: '' }]);
  const headers = { authorization: `Bearer ${capability}`, 'content-type': 'application/json' };
  const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) };
  const reply = await ask(path, init);
  return await reply.json();
}

interface PutBody {
  readonly address: string;
  readonly copies: readonly { readonly node: string; readonly region: string }[];
  readonly details: { readonly address: string };
}

async function put({ ask }: Node, bytes: Uint8Array<ArrayBuffer>, copies?: number) {
  const headers = copies === undefined ? {} : { 'ron-durability': `copies:${copies}` };
  const reply = await ask('/o', { method: 'POST', headers, body: new Blob([bytes]) });
  return { status: reply.status, body: (await reply.json()) as PutBody };
}

/** In its own storage, whatever others have. */
async function has({ ask }: Node, address: string): Promise<boolean> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ addresses: [address] }),
  };
  const { present } = (await (await ask('/o/has', init)).json()) as { present: string[] };
  return present.length > 0;
}

const holdersOf = async (address: string) => {
  const held = await Promise.all(nodes.map((node) => has(node, address)));
  return nodes.filter((_, index) => held[index]).map(idOf);
};

const sorted = (ids: readonly string[]) => [...ids].sort();

test('a write of three copies answers when they are on three nodes, by region, and names them', async () => {
  const owner = await start({ 'network.region': 'eu' });
  for (const region of ['eu', 'us', 'ap']) await start({ 'network.region': region });
  await meet();
  const { status, body } = await put(owner, randomBytes(3_000_000), 3);
  expect([status, body]).toMatchObject([201, { durability: 'memory', copies: [{}, {}, {}] }]);
  const { address, copies } = body;
  expect(sorted(copies.map(({ region }) => region))).toEqual(['ap', 'eu', 'us']);
  expect(copies[0]!.node).toBe(idOf(owner));
  expect(sorted(copies.map(({ node }) => node))).toEqual(sorted(await holdersOf(address)));
  const pins = (await asAdmin(owner, '/pins')) as { pins: object[] };
  expect(pins).toMatchObject({ pins: [{ address, copies: 3, size: 3_000_000 }] });
  // The empty object and one of a single byte have a group each.
  for (const size of [0, 1]) expect((await put(owner, randomBytes(size), 4)).body.copies).toHaveLength(4);
});

test('with fewer takers than copies: 503 with the number and the reasons, and the node goes on until they are there', async () => {
  const owner = await start();
  const full = await start({ 'overlay.copies_bytes_max': '0' });
  await meet();
  const refused = await put(owner, randomBytes(100_000), 2);
  expect(refused).toMatchObject({
    status: 503,
    body: { code: 'unavailable', details: { copies: 1, wanted: 2, refused: { [idOf(full)]: 'too_large' } } },
  });
  const { address } = refused.body.details;
  expect(await has(owner, address)).toBe(true);
  const taker = await start();
  await meet();
  await expect.poll(() => has(taker, address), patience).toBe(true);
  const missing = () => asAdmin(owner, '/pins/repair', { dry_run: true });
  await expect.poll(missing, patience).toMatchObject({ objects: 1, lacking: 0 });
});

test('a node that is alone refuses copies before it takes the bytes, and a malformed number is a bad request', async () => {
  const alone = await startNode();
  nodes.push(alone);
  expect(await put(alone, randomBytes(10), 2)).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  expect((await put(alone, randomBytes(10), 17)).status).toBe(400);
  expect((await put(alone, randomBytes(10), 0)).status).toBe(400);
});

test('who is not trusted keeps nothing, and a node that does not trust the owner takes nothing', async () => {
  const owner = await start();
  const other = await start();
  await meet();
  reloadConfig(other.config, '[network]\ntrusted = []\n', silent);
  expect(await put(owner, randomBytes(10), 2)).toMatchObject({
    body: { details: { refused: { [idOf(other)]: 'not_allowed' } } },
  });
  reloadConfig(owner.config, '[network]\ntrusted = []\n', silent);
  expect(await put(owner, randomBytes(11), 2)).toMatchObject({ body: { details: { copies: 1, refused: {} } } });
});

test('an object that another node has is pinned, listed, repaired when a holder goes, and unpinned', async () => {
  const owner = await start({ 'overlay.suspicion_periods': '0.1' });
  for (let more = 0; more < 3; more++) await start();
  await meet();
  const { body } = await put(nodes[1]!, randomBytes(500_000));
  const address = body.address;
  const pinned = (await asAdmin(owner, '/pins', { address, copies: 3 })) as { holders: { node: string }[] };
  expect(pinned).toMatchObject({ copies: 3, holders: [{ node: idOf(owner) }, {}, {}] });
  const lost = nodes.find((node) => node !== owner && pinned.holders.some(({ node: id }) => id === idOf(node)))!;
  nodes.splice(nodes.indexOf(lost), 1);
  await lost.node[Symbol.asyncDispose]();
  await expect
    .poll(() => asAdmin(owner, '/pins/repair', { dry_run: true }), patience)
    .toMatchObject({ lacking: 1, restored: 0 });
  expect(await asAdmin(owner, '/pins/repair', {})).toMatchObject({ lacking: 1, restored: 1 });
  expect((await holdersOf(address)).length).toBeGreaterThanOrEqual(3);
  const capability = owner.capabilityFor([{ methods: ['delete'], prefix: 'o/' }]);
  const init = { method: 'DELETE', headers: { authorization: `Bearer ${capability}` } };
  expect(await (await owner.ask(`/pins/${address}`, init)).json()).toEqual({ address, unpinned: true });
  expect(await asAdmin(owner, '/pins')).toEqual({ pins: [] });
});

test('an object whose bytes went bad on disk is fetched from another node and served again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ron-mend-'));
  folders.push(folder);
  await start();
  const owner = await start({ 'disk.hot_bytes': '0' }, folder);
  await meet();
  const bytes = randomBytes(3_000_000);
  await put(nodes[0]!, bytes);
  const { body } = await put(owner, bytes);
  await flipIn(join(folder, 'blobs'), body.address.slice(3));
  const read = async () => {
    const reply = await owner.ask(`/o/${body.address}`);
    const got = await reply.arrayBuffer().catch(() => new ArrayBuffer(0));
    return Buffer.compare(Buffer.from(got), bytes);
  };
  expect(await read()).not.toBe(0);
  await expect.poll(read, patience).toBe(0);
  await expect.poll(() => has(owner, body.address), patience).toBe(true);
  expect(owner.metrics.read('storage_mended_total', { outcome: 'mended' })).toBe(1);
});

/** One bit in the middle of the file of an object. */
async function flipIn(folder: string, hex: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  const name = names.find((path) => path.replaceAll('/', '').includes(hex.slice(4)));
  const file: FileHandle = await open(join(folder, name!), 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 1_500_000);
  await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 1_500_000);
  await file.close();
}
