import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startNode } from './fixtures/start-node.ts';

const folder = mkdtempSync(join(tmpdir(), 'ron-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Bytes that the file system has given, of each part of the data folder. */
function bytesOf(): Record<string, number> {
  const parts = readdirSync(folder).map((part) => {
    const files = readdirSync(join(folder, part), { recursive: true, encoding: 'utf8' });
    return [part, files.reduce((sum, file) => sum + statSync(join(folder, part, file)).blocks * 512, 0)] as const;
  });
  return Object.fromEntries(parts);
}

test('a fresh data folder takes little: the free space that the node leaves others is not taken in advance', async () => {
  const { node, capabilityFor } = await startNode({}, { folder });
  const owner = capabilityFor([{ methods: ['admin'], prefix: '' }]);
  const url = `http://127.0.0.1:${(node.http as { port: number }).port}`;
  const made = await fetch(`${url}/kms/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner}` },
    body: JSON.stringify({ tenant: 'acme', purpose: 'invoices', alg: 'ed25519' }),
  });
  expect(made.status).toBe(200);
  await node[Symbol.asyncDispose]();
  const bytes = bytesOf();
  expect(Object.keys(bytes)).toContain('audit');
  for (const [part, taken] of Object.entries(bytes)) expect(taken, part).toBeLessThan(8 * 1_024 * 1_024);
});
