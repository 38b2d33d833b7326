import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { NotFoundError } from '@ron/app-sdk';
import { met, type NetworkNode, until } from '../nodes.ts';

const mib = 1_024 * 1_024;
const name = 'films/sea';

/** What five nodes do with an object that one of them names and two of them have. Ends with the first of them killed. */
export async function tell([a, b, c, d, e]: readonly [
  NetworkNode,
  NetworkNode,
  NetworkNode,
  NetworkNode,
  NetworkNode,
]) {
  const all = [a, b, c, d, e];
  await met(...all);
  console.log(`five processes know each other: ${all.map(({ contact }) => contact.slice(0, 12)).join(', ')}`);
  for (const node of all) node.trust(...all.filter((other) => other !== node));
  for (const [index, node] of all.slice(1).entries()) {
    const { rtts_ms, address } = await read<{ rtts_ms: (number | null)[]; address: string }>(
      a,
      `/overlay/peers/${node.id}/probe?count=3`,
    );
    console.log(`a pings ${'bcde'[index]} at ${address}: ${rtts_ms.map((rtt) => `${rtt ?? '–'} ms`).join(', ')}`);
  }
  const bytes = randomBytes(48 * mib);
  const { address } = await a.ron.blobs.put(bytes);
  await a.ron.names.set(name, address);
  const record = await until('e resolves the name', () => e.ron.names.resolve(name).catch(unlessMissing));
  assert.deepEqual([record.address, record.source], [address, 'network']);
  const { asked, believed } = await read<{ asked: { node: { id: string }; outcome: string }[]; believed: string }>(
    e,
    `/admin/names/trace?path=${name}`,
  );
  assert.equal(believed, a.id);
  console.log(`a has ${name}; e, which has not, asked ${asked.length} trusted nodes and believes a`);
  await goOn(a, c, e, address, bytes);
  const found = await until('a search finds c', async () => {
    const trace = await read<{
      providers: { provider: { id: string } }[];
      steps: { outcome: string }[];
      network_size: number;
    }>(e, `/admin/dht/trace?address=${address}&want=32`);
    return trace.providers.some(({ provider }) => provider.id === c.id) ? trace : undefined;
  });
  console.log(
    `of about ${found.network_size} nodes e asked ${found.steps.length}: ${found.providers.length} announced the object`,
  );
  await until('a is known to be gone', async () => {
    const { members } = await read<{ members: { alive: number } }>(e, '/overlay/peers');
    return members.alive === 3 || undefined;
  });
  console.log('b, c, d and e are left, and know it');
}

/** The source dies in the middle of one plain HTTP answer, which the client of the SDK would mend by itself. */
async function goOn(a: NetworkNode, c: NetworkNode, e: NetworkNode, address: string, bytes: Buffer): Promise<void> {
  const answer = await fetch(`${e.node.url}/n/${name}`, { headers: { authorization: `Bearer ${e.node.capability}` } });
  assert.equal(answer.status, 200);
  const reader = answer.body!.getReader();
  const pieces = [(await reader.read()).value!];
  // Only now: what has come so far cannot be from c.
  assert.equal((await c.ron.blobs.put(bytes)).address, address);
  await a.node.kill();
  console.log(
    `e sends ${bytes.length} bytes by the name; after the first ${pieces[0]!.length}, c has them too and a is killed`,
  );
  for (let step = await reader.read(); !step.done; step = await reader.read()) pieces.push(step.value);
  assert.equal(Buffer.compare(Buffer.concat(pieces), bytes), 0);
  console.log('the same answer ended with all bytes right');
}

async function read<T>({ node }: NetworkNode, path: string): Promise<T> {
  const answer = await fetch(node.url + path, { headers: { authorization: `Bearer ${node.capability}` } });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return JSON.parse(text) as T;
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof NotFoundError)) throw error;
}
