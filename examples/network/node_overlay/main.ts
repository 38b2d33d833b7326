import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { NotFoundError } from '@ron/app-sdk';
import { met, type NetworkNode, startNetworkNode, until } from '../nodes.ts';

/** Nodes that find each other, and objects that go from one to another by their address alone. */
const mib = 1_024 * 1_024;

await using a = await startNetworkNode();
await using b = await startNetworkNode(a);
await using c = await startNetworkNode(a);
await met(a, b, c);
console.log(`a is ${a.contact}; b and c began with a, and all three know each other`);
a.trust(b);
b.trust(a, c);
c.trust(b);

// That each answered shows that the new lists hold.
for (const [name, from] of Object.entries({ a, c })) await exchange(name, from);
await goOn();

async function exchange(name: string, from: NetworkNode): Promise<void> {
  const bytes = randomBytes(5_000_000);
  const { address } = await from.ron.blobs.put(bytes);
  await until('b finds the object', () => b.ron.blobs.stat(address).catch(unlessMissing));
  const found = await b.ron.blobs.get(address);
  assert.equal(Buffer.compare(await found.bytes(), bytes), 0);
  console.log(`${found.size} bytes that ${name} stores, read from b by ${address}`);
}

/** The node that sends dies in the middle of an answer, and the answer goes on. */
async function goOn(): Promise<void> {
  const bytes = randomBytes(48 * mib);
  const { address } = await a.ron.blobs.put(bytes);
  await until('b finds the object', () => b.ron.blobs.stat(address).catch(unlessMissing));
  // One plain HTTP answer: the client of the SDK would go on by itself when it breaks.
  const headers = { authorization: `Bearer ${b.node.capability}` };
  const answer = await fetch(`${b.node.url}/o/${address}`, { headers });
  assert.equal(answer.status, 200);
  const reader = answer.body!.getReader();
  const pieces = [(await reader.read()).value!];
  // Only now: what has come so far cannot be from c.
  assert.equal((await c.ron.blobs.put(bytes)).stored, true);
  const before = await readsOf(c);
  await a.node.kill();
  console.log(
    `b sends ${bytes.length} bytes of a; after the first ${pieces[0]!.length}, c has them too and a is killed`,
  );
  for (let step = await reader.read(); !step.done; step = await reader.read()) pieces.push(step.value);
  assert.equal(Buffer.compare(Buffer.concat(pieces), bytes), 0);
  const asked = (await readsOf(c)) - before;
  assert.ok(asked > 0, 'c was asked for the rest');
  console.log(`the same answer ended with all bytes right: b asked c for the rest, in ${asked} answers`);
}

/** Pieces of objects that other nodes had of a node. */
async function readsOf({ node }: NetworkNode): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const counts = text.matchAll(
    /^requests_total\{(?=.*service="overlay")(?=.*op="want")(?=.*code="ok").*\} ([0-9]+)$/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof NotFoundError)) throw error;
}
