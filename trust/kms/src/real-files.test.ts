import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRealEnv } from '@ron/kernel/real';
import { createSimEnv } from '@ron/kernel/sim';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openFileKms } from './file-kms.ts';
import { identityPath, keystorePath, statePath } from './testing/memory-disk.ts';
import { refusalOf } from './testing/refusals.ts';

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'ron-kms-'));
});
afterEach(() => fs.rmSync(root, { recursive: true }));

const options = () => ({ env: createRealEnv({ root }), path: keystorePath, identityPath });
const modeOf = (name: string) => fs.statSync(path.join(root, name)).mode & 0o777;

test('every file of a keystore is 0600, whatever was done with it, and a wider mode is refused', async () => {
  {
    await using kms = await openFileKms(options());
    const { kid } = await kms.createKey({ tenant: 'node', purpose: 'names', alg: 'ed25519' });
    await kms.rotateKey(kid);
    await kms.reseal();
  }
  for (const name of [keystorePath, identityPath, statePath]) expect(modeOf(name), name).toBe(0o600);
  for (const name of [keystorePath, identityPath]) {
    fs.chmodSync(path.join(root, name), 0o640);
    expect(await refusalOf(() => openFileKms(options()))).toBe('wrong_mode');
    expect(modeOf(name)).toBe(0o640);
    fs.chmodSync(path.join(root, name), 0o600);
  }
  await using kms = await openFileKms(options());
  expect(kms.listKeys()).toHaveLength(2);
});

test('a simulated disk passes for one that nobody else reads', async () => {
  const env = createSimEnv({ seed: 1 });
  await using kms = await openFileKms({ env, path: keystorePath, identityPath });
  expect(kms.created).toBe(true);
  expect((await env.disk.stat(keystorePath))?.mode).toBe(0o600);
});
