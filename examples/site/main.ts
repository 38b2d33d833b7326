import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BundleSource } from '@ron/app-sdk';
import { connect, fileSource } from '@ron/app-sdk/node';
import { useNode } from '../start-node.ts';

/** A folder becomes a bundle, the bundle gets a name, and any HTTP client browses it below `/n/site/`. */
await using node = await useNode();
await using ron = connect({ url: node.url, capability: node.capability });
const folder = join(import.meta.dirname, 'pages');

const bundle = await ron.bundles.put(filesOf(folder));
const { version } = await ron.names.set('site', bundle.address);
console.log(`${bundle.entries.length} files, ${bundle.address}, name site version ${version}`);

const expected = {
  '': 'text/html; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
  'about/': 'text/html; charset=utf-8',
};
for (const [path, type] of Object.entries(expected)) {
  const response = await fetch(`${node.url}/n/site/${path}`, {
    headers: { authorization: `Bearer ${node.capability}` },
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), type);
  console.log(`${response.status} ${type} /n/site/${path} ${(await response.arrayBuffer()).byteLength} bytes`);
}

/** Every file below the folder, opened only while it is read. */
async function* filesOf(root: string): AsyncGenerator<BundleSource> {
  for (const item of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!item.isFile()) continue;
    const path = join(item.parentPath, item.name);
    await using file = await fileSource(path);
    const bytes: Uint8Array[] = [];
    for await (const piece of file.read(0, file.sizeBytes)) bytes.push(piece);
    yield { path: path.slice(root.length + 1), source: Buffer.concat(bytes) };
  }
}
