import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { NotFoundError } from '@ron/app-sdk';
import { met, startNetworkNode, until } from '../nodes.ts';

/** A name and its object stand on one node; another one, which has neither, answers by the name. */
const name = 'films/sea';
const bytes = randomBytes(5_000_000);

await using a = await startNetworkNode();
await using b = await startNetworkNode(a);
await met(a, b);
console.log(`a is ${a.contact}\nb is ${b.contact}, and began with a`);

const { address } = await a.ron.blobs.put(bytes);
await a.ron.names.set(name, address);
await assert.rejects(b.ron.names.resolve(name), NotFoundError);
console.log(`a has ${name} with ${bytes.length} bytes; b is told nothing, for neither trusts the other`);

a.trust(b);
b.trust(a);
const record = await until('b resolves the name', () => b.ron.names.resolve(name).catch(unlessMissing));
assert.deepEqual([record.address, record.version], [address, 1]);
console.log(`each has the other's id in network.trusted: b resolves ${name}, source "${record.source}"`);
assert.equal(record.source, 'network');

const found = await b.ron.names.get(name);
assert.equal(Buffer.compare(await found.bytes(), bytes), 0);
console.log(`${found.size} bytes read from b by the name, equal to what a was given; source "${record.source}"`);

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof NotFoundError)) throw error;
}
