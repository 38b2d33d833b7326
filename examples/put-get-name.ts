import assert from 'node:assert/strict';
import { connect } from '@ron/app-sdk/node';
import { useNode } from './start-node.ts';

/** Store bytes, give them a name, read them back by that name, verified. Uses your node when `RON_NODE_URL` and `RON_CAP` are set. */
await using node = await useNode();
await using ron = connect({ url: node.url, capability: node.capability });

const text = 'Anyone with the address can check these bytes.';
const { address, stored } = await ron.blobs.put(text);
console.log(`${address} ${stored ? 'stored' : 'was there already'}`);

const record = await ron.names.set('examples/hello', address);
console.log(`examples/hello is version ${record.version}`);

const found = await ron.names.get('examples/hello');
assert.equal(await found.text(), text);
console.log(`read back ${found.size} bytes through the name, verified against ${found.address}`);
