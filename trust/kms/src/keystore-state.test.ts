import { generateX25519Identity } from 'age-encryption';
import { beforeEach, describe, expect, test } from 'vitest';
import { openFileKms } from './file-kms.ts';
import type { KeyRequest } from './kms.ts';
import { acceptFileKms, restoreFileKms } from './restore-kms.ts';
import { Secret } from './secret.ts';
import { fileOptions, identityPath, keystorePath, MemoryDisk, statePath } from './testing/memory-disk.ts';
import { refusalOf } from './testing/refusals.ts';

const request: KeyRequest = { tenant: 'acme', purpose: 'work', alg: 'hmac' };

let disk: MemoryDisk;
const open = () => openFileKms(fileOptions(disk));
const copy = (name: string) => Uint8Array.from(disk.get(name));
beforeEach(() => {
  disk = new MemoryDisk();
});

/** The files after each of so many changes; the keystore's first state is the first entry. */
async function history(changes: number): Promise<{ keystore: Uint8Array; state: Uint8Array }[]> {
  const files = [];
  await using kms = await open();
  files.push({ keystore: copy(keystorePath), state: copy(statePath) });
  for (let count = 0; count < changes; count += 1) {
    await kms.createKey(request);
    files.push({ keystore: copy(keystorePath), state: copy(statePath) });
  }
  return files;
}

async function expectRefusal(reason: string): Promise<void> {
  const before = disk.snapshot();
  expect(await refusalOf(open)).toBe(reason);
  expect(disk.snapshot()).toBe(before);
  expect(disk.locked.size).toBe(0);
}

describe('of keystore and state, only these go together', () => {
  test('the newest with the newest, and one generation ahead', async () => {
    const files = await history(4);
    for (const [keystoreAt, keystore] of files.entries()) {
      for (const [stateAt, state] of files.entries()) {
        disk.put(keystorePath, keystore.keystore);
        disk.put(statePath, state.state);
        const ahead = keystoreAt - stateAt;
        const what = `keystore ${keystoreAt}, state ${stateAt}`;
        if (ahead !== 0 && ahead !== 1) {
          await expectRefusal('rolled_back');
          continue;
        }
        {
          await using kms = await open();
          expect([kms.generation, kms.listKeys().length], what).toEqual([keystoreAt + 1, keystoreAt]);
          await kms.createKey(request);
        }
        await using again = await open();
        expect(again.listKeys().length, what).toBe(keystoreAt + 1);
      }
    }
  });

  test('once it has been opened, a keystore that was ahead cannot be taken back', async () => {
    const files = await history(2);
    disk.put(keystorePath, files[2]!.keystore);
    disk.put(statePath, files[1]!.state);
    await (await open())[Symbol.asyncDispose]();
    disk.put(keystorePath, files[1]!.keystore);
    await expectRefusal('rolled_back');
  });

  test('none without a state, but the first, which holds nothing', async () => {
    const files = await history(2);
    disk.delete(statePath);
    for (const { keystore } of files.slice(1)) {
      disk.put(keystorePath, keystore);
      await expectRefusal('rolled_back');
    }
    disk.put(keystorePath, files[0]!.keystore);
    await using kms = await open();
    expect(kms.listKeys()).toHaveLength(0);
  });

  test('no state without a keystore', async () => {
    await history(1);
    disk.delete(keystorePath);
    await expectRefusal('rolled_back');
  });

  test('no other branch of the same generation', async () => {
    const [first] = await history(0);
    await using kms = await open();
    await kms.createKey(request);
    const branch = copy(keystorePath);
    await kms[Symbol.asyncDispose]();
    disk.put(keystorePath, first!.keystore);
    disk.put(statePath, first!.state);
    await (await open()).createKey(request);
    disk.locked.clear();
    disk.put(keystorePath, branch);
    await expectRefusal('rolled_back');
  });

  test('no damaged, forged or foreign state', async () => {
    const files = await history(2);
    const text = Buffer.from(files[2]!.state).toString();
    const older = Buffer.from(files[1]!.state).toString();
    const [digest, olderDigest] = [text, older].map((each) => /b3:[0-9a-f]{64}/.exec(each)![0]);
    const states = ['', '{}', text.slice(0, -1), ` ${text}`, text.replace('"generation":3', '"generation":2')];
    states.push(text.replace(digest!, olderDigest!), 'x'.repeat(2_000));
    for (const state of states) {
      disk.put(statePath, Buffer.from(state));
      await expectRefusal('rolled_back');
    }
    // Whoever edits the state to fit an older keystore lacks the identity for its seal.
    disk.put(keystorePath, files[1]!.keystore);
    const seal = /"seal":"[^"]+"/;
    disk.put(statePath, Buffer.from(older.replace(seal, seal.exec(text)![0])));
    await expectRefusal('rolled_back');
  });
});

describe('two keystores', () => {
  test('are not swapped, with one identity or two', async () => {
    await history(2);
    const identity = copy(identityPath);
    const mine = { keystore: copy(keystorePath), state: copy(statePath) };
    for (const [shared, both] of [
      [true, false],
      [false, false],
      [false, true],
    ]) {
      disk = new MemoryDisk();
      if (shared) disk.put(identityPath, identity);
      await history(2);
      disk.put(keystorePath, mine.keystore);
      if (both) disk.put(statePath, mine.state);
      await expectRefusal(shared ? 'rolled_back' : 'wrong_identity');
    }
  });
});

describe('on purpose', () => {
  test('the operator accepts an older file, and the one after it is refused from then on', async () => {
    const files = await history(2);
    disk.put(keystorePath, files[1]!.keystore);
    await expectRefusal('rolled_back');
    {
      await using kms = await acceptFileKms(fileOptions(disk));
      expect(kms.listKeys()).toHaveLength(1);
    }
    await (await open())[Symbol.asyncDispose]();
    disk.delete(statePath);
    await expectRefusal('rolled_back');
    await (await acceptFileKms(fileOptions(disk)))[Symbol.asyncDispose]();
    await (await open())[Symbol.asyncDispose]();
  });

  test('a restore resets the state, and its generation is above all before', async () => {
    await history(1);
    const backup = await (async () => {
      await using kms = await open();
      return kms.backup(Secret.fromText('correct horse'), 4);
    })();
    const newest = await (async () => {
      await using kms = await open();
      for (let count = 0; count < 3; count += 1) await kms.createKey(request);
      return copy(keystorePath);
    })();
    disk.delete(keystorePath);
    {
      await using kms = await restoreFileKms(fileOptions(disk), backup, Secret.fromText('correct horse'));
      expect([kms.generation, kms.listKeys().length]).toEqual([6, 1]);
      await kms.createKey(request);
    }
    await (await open())[Symbol.asyncDispose]();
    disk.put(keystorePath, newest);
    await expectRefusal('rolled_back');
  });

  test('a resealed keystore opens with the new identity alone', async () => {
    await history(1);
    const before = copy(identityPath);
    {
      await using kms = await open();
      await kms.reseal();
      await kms.createKey(request);
    }
    const after = copy(identityPath);
    expect(
      Buffer.from(after)
        .toString()
        .match(/AGE-SECRET-KEY-1/g),
    ).toHaveLength(1);
    disk.put(identityPath, before);
    await expectRefusal('wrong_identity');
    disk.put(identityPath, after);
    await using kms = await open();
    expect(kms.listKeys()).toHaveLength(2);
  });

  test('an identity that the operator keeps is replaced in one step, wherever it fails', async () => {
    const [old, next] = [await generateX25519Identity(), await generateX25519Identity()];
    const withIdentity = (text: string) => {
      const { identityPath: _file, ...options } = fileOptions(disk);
      return openFileKms({ ...options, identity: Secret.fromText(text) });
    };
    const outcomes = new Set<string>();
    for (let failAt = 1, clean = false; !clean; failAt += 1) {
      disk = new MemoryDisk();
      const kms = await withIdentity(old);
      await kms.createKey(request);
      expect(await refusalOf(() => kms.reseal())).toBe('identity_missing');
      expect(await refusalOf(() => kms.reseal(Secret.fromText('nonsense')))).toBe('identity_malformed');
      disk.failAt = disk.changes + failAt;
      clean = await kms.reseal(Secret.fromText(next)).then(
        () => true,
        () => false,
      );
      disk.powerCut();
      const withOld = await refusalOf(async () => (await withIdentity(old))[Symbol.asyncDispose]());
      const withNext = await refusalOf(async () => (await withIdentity(next))[Symbol.asyncDispose]());
      expect([withOld, withNext].sort(), `change ${failAt}`).toEqual(['accepted', 'wrong_identity']);
      outcomes.add(withNext);
      if (clean) expect(withNext).toBe('accepted');
    }
    expect(outcomes.size).toBe(2);
  });
});
