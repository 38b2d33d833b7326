import { randomBytes } from 'node:crypto';
import { reloadConfig } from '@ron/kernel';
import { afterEach, expect, test } from 'vitest';
import type { Engines } from '../engines.ts';
import { type NodeOptions, startNode } from '../fixtures/start-node.ts';

type Node = Awaited<ReturnType<typeof startNode>>;
const open: Node[] = [];
afterEach(async () => {
  for (const { node } of open.splice(0).reverse()) await node[Symbol.asyncDispose]();
});

const onLoopback = { 'network.listen': '127.0.0.1:0', 'network.dial_private': 'true' };

/** A node that begins with those that are there. */
async function join(...seeds: readonly Node[]): Promise<Node> {
  return await joinAs({}, ...seeds);
}

async function joinAs(options: NodeOptions, ...seeds: readonly Node[]): Promise<Node> {
  const known = seeds.length === 0 ? {} : { 'network.seeds': seeds.map(contactOf).join(',') };
  const node = await startNode({ ...onLoopback, ...known }, options);
  open.push(node);
  return node;
}

function contactOf({ node }: Node): string {
  return `${node.contact!.id}@${node.contact!.address}`;
}

function trust(node: Node, ...others: readonly Node[]): void {
  const ids = others.map((other) => `"${other.node.contact!.id}"`).join(', ');
  const silent = { warn: () => undefined, error: () => undefined, info: () => undefined, debug: () => undefined };
  reloadConfig(node.config, `[network]\ntrusted = [${ids}]\n`, { ...silent, child: () => silent } as never);
}

const alive = async ({ ask, capabilityFor }: Node) => {
  const admin = capabilityFor([{ methods: ['read', 'admin'], prefix: 'admin/' }]);
  const reply = await ask('/overlay/peers', { headers: { authorization: `Bearer ${admin}` } });
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`${reply.status} ${text}`);
  return (JSON.parse(text) as { members: { alive: number } }).members.alive;
};

/** Only bounds a hang. */
const patience = { timeout: 120_000, interval: 20 };

async function meet(...nodes: readonly Node[]): Promise<void> {
  for (const node of nodes) await expect.poll(() => alive(node), patience).toBe(nodes.length - 1);
}

async function store(node: Node, bytes: Uint8Array<ArrayBuffer>, name?: string): Promise<string> {
  const put = await node.ask('/o', { method: 'POST', body: new Blob([bytes]) });
  const { address } = (await put.json()) as { address: string };
  if (name !== undefined) {
    const init = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ address }) };
    expect((await node.ask(`/name/${name}`, init)).status).toBe(200);
  }
  return address;
}

test('by a name that one node has, another one serves the bytes, each group verified', async () => {
  const a = await join();
  const b = await join(a);
  await meet(a, b);
  const bytes = randomBytes(3 * 1024 * 1024 + 5);
  const address = await store(a, bytes, 'shared/file');
  expect((await b.ask(`/o/${address}`)).status).toBe(404);
  trust(a, b);
  trust(b, a);
  const resolved = await b.ask('/name/resolve/shared/file');
  expect(await resolved.json()).toMatchObject({ address, version: 1, source: 'network' });
  // That nobody had the object is remembered for two seconds.
  await expect.poll(async () => (await b.ask('/n/shared/file', { method: 'HEAD' })).status, patience).toBe(200);
  const got = await b.ask('/n/shared/file');
  expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytes)).toBe(0);
  expect((await b.ask('/name/resolve/nobody/has/it')).status).toBe(404);
});

test('who is not trusted reads nothing and is believed nothing, and no capability makes a client a node', async () => {
  const a = await join();
  const b = await join(a);
  await meet(a, b);
  const address = await store(a, randomBytes(100_000), 'secret');
  // B believes A, but A does not trust B.
  trust(b, a);
  expect((await b.ask(`/o/${address}`)).status).not.toBe(200);
  expect((await b.ask('/name/resolve/secret')).status).toBe(404);
  trust(a, b);
  // That nobody had it is remembered for two seconds.
  await expect.poll(async () => (await b.ask(`/o/${address}`)).status, patience).toBe(200);
});

test('when the node that sends goes away in the middle, another one goes on', async () => {
  const a = await join();
  const b = await join(a);
  const c = await join(a);
  await meet(a, b, c);
  const bytes = randomBytes(40 * 1024 * 1024);
  const address = await store(a, bytes);
  expect(await store(c, bytes)).toBe(address);
  trust(b, a, c);
  for (const node of [a, c]) trust(node, b);
  const reply = await b.ask(`/o/${address}`);
  expect(reply.status).toBe(200);
  const reader = reply.body!.getReader();
  const pieces = [(await reader.read()).value!];
  open.splice(open.indexOf(a), 1);
  await a.node[Symbol.asyncDispose]();
  for (let step = await reader.read(); !step.done; step = await reader.read()) pieces.push(step.value);
  expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0);
});

/** Bytes of objects, with what proves them, that a node sent to others. */
const sentBy = ({ metrics }: Node) => metrics.read('bytes_out_total', { service: 'overlay' }) ?? 0;

test('two nodes that have it send at once, and of a range no more than its groups is asked for', async () => {
  const a = await join();
  const b = await join(a);
  const c = await join(a);
  await meet(a, b, c);
  const bytes = randomBytes(32 * 1024 * 1024 + 77);
  const address = await store(a, bytes);
  await store(c, bytes);
  trust(b, a, c);
  for (const node of [a, c]) trust(node, b);
  const range = { headers: { range: 'bytes=20000000-20000009' } };
  await expect.poll(async () => (await b.ask(`/o/${address}`, range)).status, patience).toBe(206);
  const part = await b.ask(`/o/${address}`, range);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(20_000_000, 20_000_010));
  // The last group, which proves the size, the outboard, and the one group: nothing near the object.
  expect(sentBy(a) + sentBy(c)).toBeLessThan(1_000_000);
  const whole = await b.ask(`/o/${address}`);
  expect(Buffer.compare(Buffer.from(await whole.arrayBuffer()), bytes)).toBe(0);
  for (const node of [a, c]) expect(sentBy(node)).toBeGreaterThan(2 * 1024 * 1024);
  // Little is asked of both.
  expect(sentBy(a) + sentBy(c)).toBeLessThan(1.3 * bytes.length);
});

/** An engine whose objects have a wrong bit in each piece that is read. */
function lying(engine: Engines['blobs']): Engines['blobs'] {
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'resident') return () => undefined;
      if (key === 'read') return (...span: Parameters<typeof engine.read>) => flipped(target.read(...span));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function* flipped(body: AsyncIterable<Uint8Array>) {
  for await (const piece of body) {
    const wrong = new Uint8Array(piece);
    wrong[wrong.length >> 1]! ^= 1;
    yield wrong;
  }
}

test('a liar among three is banned at its first bad group, and no wrong byte goes on', async () => {
  const a = await join();
  const b = await join(a);
  const c = await join(a);
  const liar = await joinAs({ blobs: lying }, a);
  await meet(a, b, c, liar);
  const bytes = randomBytes(24 * 1024 * 1024);
  const address = await store(a, bytes);
  for (const node of [c, liar]) await store(node, bytes);
  // The one that the operator named first is asked first.
  trust(b, liar, a, c);
  for (const node of [a, c, liar]) trust(node, b);
  await expect.poll(async () => (await b.ask(`/o/${address}`, { method: 'HEAD' })).status, patience).toBe(200);
  const reply = await b.ask(`/o/${address}`);
  expect(Buffer.compare(Buffer.from(await reply.arrayBuffer()), bytes)).toBe(0);
  const headers = { authorization: `Bearer ${b.capabilityFor([{ methods: ['read'], prefix: 'admin/' }])}` };
  const page = (await (await b.ask('/overlay/peers', { headers })).json()) as {
    bans: { id: string; reason: string }[];
  };
  expect(page.bans.map(({ id, reason }) => [id, reason])).toEqual([[liar.node.contact!.id, 'wrong_bytes']]);
  for (const node of [a, c]) expect(sentBy(node)).toBeGreaterThan(1024 * 1024);
  const sent = sentBy(liar);
  const administers = { authorization: `Bearer ${b.capabilityFor([{ methods: ['admin'], prefix: 'admin/' }])}` };
  const purge = { method: 'POST', headers: { ...administers, 'content-type': 'application/json' } };
  expect((await b.ask('/admin/edge/purge', { ...purge, body: JSON.stringify({ address }) })).status).toBe(200);
  expect((await (await b.ask(`/o/${address}`)).arrayBuffer()).byteLength).toBe(bytes.length);
  expect(sentBy(liar)).toBe(sent);
});

test('a ban holds for connections that are open, and what the banned say is not believed', async () => {
  const a = await join();
  const b = await join(a);
  await meet(a, b);
  trust(a, b);
  trust(b, a);
  await store(a, randomBytes(1_000), 'kept/by/a');
  await store(b, randomBytes(1_000), 'kept/by/b');
  const statusOf = async ({ ask }: Node, name: string) => (await ask(`/name/resolve/${name}?fresh=true`)).status;
  expect([await statusOf(b, 'kept/by/a'), await statusOf(a, 'kept/by/b')]).toEqual([200, 200]);
  const admin = a.capabilityFor([{ methods: ['admin'], prefix: 'admin/' }]);
  const headers = { authorization: `Bearer ${admin}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ id: b.node.contact!.id });
  expect((await a.ask('/overlay/bans', { method: 'POST', headers, body })).status).toBe(200);
  expect([await statusOf(b, 'kept/by/a'), await statusOf(a, 'kept/by/b')]).toEqual([404, 404]);
});
