import { chmodSync, copyFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyEntry } from '@ron/proto/kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StartError, startNodeProcess } from '../support/node-process.ts';
import { type TempFolder, tempFolder } from '../support/temp-folder.ts';
import { stateOf } from './folder-state.ts';
import { envelopeOf } from './signs.ts';
import { call, ok, post } from './trust-client.ts';

/** Folders of two nodes that were stopped, and of the first as it was one key earlier. */
let folders: TempFolder;
/** The address of `node`. */
let stored: string;
const folderOf = (name: 'node' | 'other' | 'earlier') => folders.join(name);

beforeAll(async () => {
  folders = tempFolder();
  const make = async (name: 'node' | 'other') => {
    await using node = await startNodeProcess({ args: ['--persist', folderOf(name)] });
    await ok(post(node, '/kms/keys', { tenant: 'acme', purpose: 'invoices', alg: 'ed25519' }));
    const { address } = await ok<{ address: string }>(call(node, 'PUT', '/put', { body: name }));
    if (name === 'node') stored = address;
  };
  await Promise.all([make('node'), make('other')]);
  cpSync(folderOf('node'), folderOf('earlier'), { recursive: true });
  await using node = await startNodeProcess({ args: ['--persist', folderOf('node')] });
  const { keys } = await ok<{ keys: KeyEntry[] }>(call(node, 'GET', '/kms/keys?tenant=acme'));
  await ok(post(node, '/kms/rotate', { kid: keys[0]!.kid }));
});
afterAll(() => folders[Symbol.dispose]());

const keystore = 'keys/keystore.age';
const identity = 'keys/identity.txt';
const state = 'keys/keystore.age.state';
const backup = 'restore keys/ from a backup';
const newest = 'put the newest keys/ back';

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  writeFileSync(path, bytes);
}

const attacks: Record<string, [advice: string, attack: (folder: string) => void]> = {
  'the identity of another node': [
    backup,
    (folder) => copyFileSync(join(folderOf('other'), identity), join(folder, identity)),
  ],
  'the keystore of another node': [
    backup,
    (folder) => copyFileSync(join(folderOf('other'), keystore), join(folder, keystore)),
  ],
  'the keystore of another node with its state': [
    backup,
    (folder) => {
      for (const file of [keystore, state]) copyFileSync(join(folderOf('other'), file), join(folder, file));
    },
  ],
  'the keystore of another node with its identity': [
    newest,
    (folder) => {
      for (const file of [keystore, identity]) copyFileSync(join(folderOf('other'), file), join(folder, file));
    },
  ],
  'an older keystore, put back': [
    newest,
    (folder) => copyFileSync(join(folderOf('earlier'), keystore), join(folder, keystore)),
  ],
  'the keystore is gone': [newest, (folder) => rmSync(join(folder, keystore))],
  'the identity is gone': [backup, (folder) => rmSync(join(folder, identity))],
  'the keystore, truncated to half': [
    backup,
    (folder) => truncateSync(join(folder, keystore), readFileSync(join(folder, keystore)).length >> 1),
  ],
  'the keystore without its last byte': [
    backup,
    (folder) => truncateSync(join(folder, keystore), readFileSync(join(folder, keystore)).length - 1),
  ],
  'the keystore, empty': [backup, (folder) => truncateSync(join(folder, keystore), 0)],
  'a flipped bit in the header of the keystore': [backup, (folder) => flip(join(folder, keystore), 40)],
  'a flipped bit at the end of the keystore': [backup, (folder) => flip(join(folder, keystore), -20)],
  'garbage for a keystore': [backup, (folder) => writeFileSync(join(folder, keystore), 'PAYLOAD-MARK-7f3a'.repeat(99))],
  'garbage for an identity': [backup, (folder) => writeFileSync(join(folder, identity), 'PAYLOAD-MARK-7f3a')],
  'the identity, truncated': [backup, (folder) => truncateSync(join(folder, identity), 100)],
  'the identity, empty': [backup, (folder) => truncateSync(join(folder, identity), 0)],
  'garbage for the state': [newest, (folder) => writeFileSync(join(folder, state), 'PAYLOAD-MARK-7f3a')],
  'a keystore that everybody may read': ['chmod 600 keys/*', (folder) => chmodSync(join(folder, keystore), 0o644)],
  'a keystore that the group may read': ['chmod 600 keys/*', (folder) => chmodSync(join(folder, keystore), 0o640)],
  'a keystore that everybody may write': ['chmod 600 keys/*', (folder) => chmodSync(join(folder, keystore), 0o602)],
  'an identity that everybody may read': ['chmod 600 keys/*', (folder) => chmodSync(join(folder, identity), 0o604)],
};

async function refusalOf(folder: string): Promise<StartError> {
  try {
    await using _node = await startNodeProcess({ args: ['--persist', folder, '--set', 'server.log_level=debug'] });
  } catch (error) {
    if (error instanceof StartError) return error;
    throw error;
  }
  throw new Error('the node started');
}

describe('a node does not start, says why, and changes nothing, with', () => {
  for (const [what, [advice, attack]] of Object.entries(attacks)) {
    it(what, async () => {
      using copies = tempFolder();
      const folder = copies.join('node');
      cpSync(folderOf('node'), folder, { recursive: true });
      attack(folder);
      const before = stateOf(folder);
      const { exit, stderr } = await refusalOf(folder);
      expect(exit).toEqual({ code: 9, signal: null });
      expect(stderr).toMatch(/^micronode cannot start: .+\n {2}why: .+\n {2}try: .+\n$/);
      expect(stderr).toContain(advice);
      expect(stderr).not.toMatch(/AGE-SECRET-KEY|PAYLOAD-MARK|at .*\.js:\d/);
      expect(stateOf(folder)).toEqual(before);
    });
  }
});

it('the folder that they are made from starts, and so does it after a chmod', async () => {
  using copies = tempFolder();
  const folder = copies.join('node');
  cpSync(folderOf('node'), folder, { recursive: true });
  chmodSync(join(folder, keystore), 0o644);
  expect((await refusalOf(folder)).exit.code).toBe(9);
  chmodSync(join(folder, keystore), 0o600);
  await using node = await startNodeProcess({ args: ['--persist', folder] });
  const { keys } = await ok<{ keys: KeyEntry[] }>(call(node, 'GET', '/kms/keys?tenant=acme'));
  expect(keys.map(({ version }) => version)).toEqual([1, 2]);
});

it('with all keys of another node: nothing of the old log is signed on, privileged calls get 503, data is read', async () => {
  using copies = tempFolder();
  const folder = copies.join('node');
  cpSync(folderOf('node'), folder, { recursive: true });
  rmSync(join(folder, 'keys'), { recursive: true });
  cpSync(join(folderOf('other'), 'keys'), join(folder, 'keys'), { recursive: true });
  const log = stateOf(join(folder, 'audit'));
  await using node = await startNodeProcess({ args: ['--persist', folder] });
  const refused = await call(node, 'POST', '/kms/keys', {
    body: { tenant: 'acme', purpose: 'invoices', alg: 'ed25519' },
  });
  expect(envelopeOf(refused)).toMatchObject({ code: 'unavailable', details: { gate: 'audit' } });
  expect((await call(node, 'GET', `/o/${stored}`)).body.toString()).toBe('node');
  expect((await call(node, 'GET', '/readyz', { token: '' })).body.toString()).toContain('no known key signed');
  const { '.lock': _lock, ...after } = stateOf(join(folder, 'audit'));
  expect(after).toEqual(log);
});
