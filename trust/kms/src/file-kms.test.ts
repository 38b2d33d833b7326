import { inspect } from 'node:util';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { beforeEach, describe, expect, test } from 'vitest';
import { type FileKms, openFileKms } from './file-kms.ts';
import type { KeyRequest } from './kms.ts';
import { restoreFileKms } from './restore-kms.ts';
import { Secret } from './secret.ts';
import { fileOptions, identityPath, keystorePath, MemoryDisk, statePath } from './testing/memory-disk.ts';
import { refusalOf } from './testing/refusals.ts';

const request: KeyRequest = { tenant: 'node', purpose: 'names', alg: 'ed25519' };
const message = new TextEncoder().encode('message');

let disk: MemoryDisk;
const open = () => fileOptions(disk);
beforeEach(() => {
  disk = new MemoryDisk();
});

async function expectRefusal(reason: string, task = () => openFileKms(open())): Promise<void> {
  const before = disk.snapshot();
  expect(await refusalOf(task)).toBe(reason);
  expect(disk.snapshot()).toBe(before);
  expect(disk.locked.size).toBe(0);
}

async function seeded(options = open()): Promise<string> {
  await using kms = await openFileKms(options);
  return (await kms.createKey(request)).kid;
}

/** The sealed text, as an operator reads it. */
async function decrypted(): Promise<string> {
  const decrypter = new Decrypter();
  for (const line of Buffer.from(disk.get(identityPath)).toString().trim().split('\n')) {
    if (!line.startsWith('#')) decrypter.addIdentity(line);
  }
  return decrypter.decrypt(disk.get(keystorePath), 'text');
}

async function sealAs(text: string): Promise<void> {
  const identity = Buffer.from(disk.get(identityPath)).toString().split('\n')[1]!;
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  disk.put(keystorePath, await encrypter.encrypt(text));
}

describe('keys survive', () => {
  test('the first start makes identity and keystore, the next one finds the same keys', async () => {
    let [kid, mac, signed]: [string, string, Uint8Array] = ['', '', new Uint8Array(0)];
    let [listed, generation]: [unknown, number] = [undefined, 0];
    {
      await using kms = await openFileKms(open());
      expect([kms.created, kms.durability, kms.generation]).toEqual([true, 'fsync', 1]);
      kid = (await kms.createKey(request)).kid;
      const macKey = await kms.createKey({ ...request, purpose: 'capability', alg: 'hmac' });
      await kms.rotateKey(macKey.kid);
      await kms.createKey({ ...request, alg: 'ml-dsa-65' });
      const wrapKey = await kms.createKey({ ...request, alg: 'aes-256-gcm' });
      await kms.retireKey(wrapKey.kid, { evenActive: true });
      await kms.destroyKey(wrapKey.kid);
      mac = Buffer.from(kms.mac(macKey.kid, message)).toString('hex');
      signed = await kms.sign(kid, message);
      listed = kms.listKeys().map((info) => [info, kms.destruction(info.kid)]);
      generation = kms.generation;
    }
    disk.powerCut();
    await using kms = await openFileKms(open());
    expect([kms.created, kms.generation]).toEqual([false, generation]);
    expect(kms.verify(kid, message, signed)).toBe(true);
    const [macKey] = kms.listKeys({ alg: 'hmac' });
    expect(Buffer.from(kms.mac(macKey!.kid, message)).toString('hex')).toBe(mac);
    expect(kms.listKeys().map((info) => [info, kms.destruction(info.kid)])).toEqual(listed);
  });

  test('keys made at once are all there', async () => {
    const kids = await (async () => {
      await using kms = await openFileKms(open());
      return (await Promise.all(Array.from({ length: 8 }, () => kms.createKey(request)))).map((info) => info.kid);
    })();
    await using kms = await openFileKms(open());
    expect(kms.listKeys().map((info) => info.kid)).toEqual(kids);
  });

  test('an operation id is remembered over a restart, and the oldest of 1,001 is not', {
    timeout: 20_000,
  }, async () => {
    const kid = await seeded();
    const known: unknown[] = [];
    {
      await using kms = await openFileKms(open());
      known.push(await kms.createKey(request, { opId: 'create-it' }));
      known.push(await kms.rotateKey(kid, { opId: 'rotate-it' }));
      known.push(await kms.retireKey(kid, { opId: 'retire-it' }));
      known.push(await kms.destroyKey(kid, { opId: 'destroy-it' }));
    }
    {
      await using kms = await openFileKms(open());
      const { generation } = kms;
      const again = [
        await kms.createKey(request, { opId: 'create-it' }),
        await kms.rotateKey(kid, { opId: 'rotate-it' }),
        await kms.retireKey(kid, { opId: 'retire-it' }),
        await kms.destroyKey(kid, { opId: 'destroy-it' }),
      ];
      expect(again).toEqual(known);
      expect(kms.generation).toBe(generation);
      expect(await refusalOf(() => kms.rotateKey(kid, { opId: 'create-it' }))).toBe('conflict');
    }
  });
});

describe('whatever change of the disk fails', () => {
  const changes: Readonly<Record<string, (kms: FileKms, kid: string) => Promise<unknown>>> = {
    create: (kms) => kms.createKey(request, { opId: 'operation' }),
    rotate: (kms, kid) => kms.rotateKey(kid, { opId: 'operation' }),
    retire: (kms, kid) => kms.retireKey(kid, { opId: 'operation', evenActive: true }),
    destroy: (kms, kid) => kms.destroyKey(kid, { opId: 'operation', evenActive: true }),
    reseal: (kms) => kms.reseal(),
  };

  const ends = {
    'after a power cut': () => disk.powerCut(),
    'after a restart': () => disk.kill(),
  };
  const cases = Object.keys(changes).flatMap((name) => Object.keys(ends).map((end) => [name, end] as const));

  test.each(cases)('%s happens or does not, and the keystore opens %s', async (name, end) => {
    const change = changes[name]!;
    // Apart from the keystore: one folder may be durable before the other.
    const open = () => ({ ...fileOptions(disk), statePath: 'elsewhere/keystore.state' });
    let outcomes = new Set<string>();
    for (let failAt = 1, clean = false; !clean; failAt += 1) {
      disk = new MemoryDisk();
      const kid = await seeded(open());
      const start = disk.changes;
      const kms = await openFileKms(open());
      const before = JSON.stringify(kms.listKeys());
      disk.failAt = disk.changes + failAt;
      try {
        await change(kms, kid);
        clean = true;
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('EIO');
        expect(await refusalOf(() => kms.createKey(request))).toBe('read_only');
        expect(kms.failure).toMatch(/could not be written/);
        expect(JSON.stringify(kms.listKeys())).toBe(before);
      }
      const after = JSON.stringify(kms.listKeys());
      expect(disk.changes).toBeGreaterThan(start);
      ends[end as keyof typeof ends]();
      {
        await using _opened = await openFileKms(open());
        // Whatever opening repaired is durable.
        disk.powerCut();
      }
      {
        await using reopened = await openFileKms(open());
        const listed = JSON.stringify(reopened.listKeys());
        if (clean) expect(listed).toBe(after);
        outcomes = outcomes.add(listed === before ? 'before' : 'after');
        // Asked for again, it happens exactly once.
        await change(reopened, kid);
        const count = name === 'create' || name === 'rotate' || name === 'destroy' ? 2 : 1;
        expect(reopened.listKeys(), `change ${failAt}`).toHaveLength(count);
      }
      await using last = await openFileKms(open());
      expect(last.verify(kid, message, new Uint8Array(64))).toBe(false);
    }
    expect(disk.changes).toBeGreaterThan(16);
    expect([...outcomes].sort()).toEqual(name === 'reseal' ? ['before'] : ['after', 'before']);
  });

  test('at the first start, the next one makes the keystore', async () => {
    let clean = false;
    for (let failAt = 1; !clean; failAt += 1) {
      disk = new MemoryDisk();
      disk.failAt = failAt;
      const error = await openFileKms(open()).then(
        (kms) => kms[Symbol.asyncDispose](),
        (thrown: unknown) => thrown,
      );
      clean = error === undefined;
      disk.powerCut();
      await using kms = await openFileKms(open());
      expect([kms.created, kms.generation, kms.listKeys().length], `change ${failAt}`).toEqual([!clean, 1, 0]);
    }
  });

  test('a restore can be tried again', async () => {
    const kid = await seeded();
    const backup = await (async () => {
      await using kms = await openFileKms(open());
      return kms.backup(Secret.fromText('correct horse'), 4);
    })();
    for (let failAt = 1, clean = false; !clean; failAt += 1) {
      disk = new MemoryDisk();
      disk.failAt = failAt;
      const restore = () => restoreFileKms(open(), backup, Secret.fromText('correct horse'));
      const restored = await restore().catch(() => undefined);
      clean = restored !== undefined;
      await restored?.[Symbol.asyncDispose]();
      disk.powerCut();
      const there = disk.files.has(keystorePath);
      await using kms = there ? await openFileKms(open()) : await restore();
      expect(
        kms.listKeys().map((info) => info.kid),
        `change ${failAt}`,
      ).toEqual([kid]);
    }
  });
});

describe('what does not open', () => {
  test('with another identity', async () => {
    await seeded();
    disk.put(identityPath, Buffer.from(`${await generateX25519Identity()}\n`));
    await expectRefusal('wrong_identity');
  });

  test.each(['', 'nonsense', 'AGE-SECRET-KEY-1QQQQ'])('with the identity file %j', async (text) => {
    await seeded();
    disk.put(identityPath, Buffer.from(text));
    await expectRefusal('identity_malformed');
  });

  test('without an identity', async () => {
    await seeded();
    disk.delete(identityPath);
    await expectRefusal('identity_missing');
  });

  test.each([keystorePath, identityPath])('with %s open to group or others', async (path) => {
    await seeded();
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o777]) {
      disk.modes.set(path, mode);
      await expectRefusal('wrong_mode');
    }
    await expect(openFileKms(open())).rejects.toThrow(`chmod 600 ${path}`);
    for (const mode of [0o600, 0o400]) {
      disk.modes.set(path, mode);
      await (await openFileKms(open()))[Symbol.asyncDispose]();
    }
  });

  test('cut short anywhere, or with a byte changed', async () => {
    await seeded();
    const whole = disk.get(keystorePath);
    for (let length = 0; length < whole.length; length += 37) {
      disk.put(keystorePath, whole.slice(0, length));
      await expectRefusal('damaged');
    }
    for (let at = 0; at < whole.length; at += 53) {
      const changed = Uint8Array.from(whole);
      changed[at]! ^= 1;
      disk.put(keystorePath, changed);
      const reason = await refusalOf(() => openFileKms(open()));
      expect(['damaged', 'wrong_identity'], `byte ${at}`).toContain(reason);
    }
  });

  test('written by somebody who knows the recipient but not the identity', async () => {
    await seeded();
    const text = await decrypted();
    const [seal] = /[A-Za-z0-9_-]{43}(?="\}\n$)/.exec(text)!;
    const forged = [
      text.replace('node/names', 'node/other'),
      text.replace('"generation":2', '"generation":3'),
      text.replace(`"${seal}"`, 'null'),
      text.replace(seal, 'A'.repeat(43)),
      `${text} `,
    ];
    for (const each of forged) {
      expect(each).not.toBe(text);
      await sealAs(each);
      await expectRefusal('damaged');
    }
  });

  const kid = 'node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1';
  test.each([
    'not JSON',
    '{"v":3,"keys":[]}',
    '{"v":2,"keys":[]}',
    '{"v":2,"generation":1,"previous":"","keys":[],"operations":[],"seal":null}\n',
    '{"v":1,"keys":[{"kid":"../x","created_at":1,"secret":"AA"}]}',
    `{"v":1,"keys":[{"kid":"${kid}","created_at":1,"secret":"AA"}]}`,
    `{"v":1,"keys":[{"kid":"${kid}","created_at":1}]}`,
    `{"v":1,"keys":[{"kid":"${kid}","created_at":1,"secret":"${'A'.repeat(43)}","more":1}]}`,
  ])('holding %s', async (text) => {
    await seeded();
    await sealAs(text);
    await expectRefusal('damaged');
  });

  test('while another process holds it', async () => {
    await using _kms = await openFileKms(open());
    expect(await refusalOf(() => openFileKms(open()))).toBe('locked');
  });
});

test('a keystore of the first format opens, and its first change makes it a new one', async () => {
  await seeded();
  const secret = Buffer.alloc(32, 7).toString('base64url');
  const kid = 'node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1';
  await sealAs(`{"v":1,"keys":[\n{"kid":"${kid}","created_at":1,"secret":"${secret}"}\n]}\n`);
  // Its time had no state file; with one, somebody put an old file back.
  await expectRefusal('rolled_back');
  disk.delete(statePath);
  {
    await using kms = await openFileKms(open());
    expect([kms.created, kms.generation]).toEqual([false, 0]);
    expect(kms.listKeys()).toMatchObject([{ kid, state: 'active' }]);
    await kms.rotateKey(kid);
  }
  await using kms = await openFileKms(open());
  expect([kms.generation, kms.listKeys().length]).toEqual([1, 2]);
  expect(disk.files.has(statePath)).toBe(true);
});

describe('what leaves no trace', () => {
  test('the secret of a destroyed key is gone from the sealed text', async () => {
    const kid = await seeded();
    const before = JSON.parse(await decrypted()) as { keys: { secret: string }[] };
    const { secret } = before.keys[0]!;
    expect(secret).toHaveLength(43);
    {
      await using kms = await openFileKms(open());
      await kms.destroyKey(kid, { evenActive: true });
      expect(inspect(kms, { depth: 9, showHidden: true })).not.toContain(secret);
    }
    const after = await decrypted();
    expect(after).not.toContain(secret);
    expect(after).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
    expect(after).toContain(kid);
  });

  test('errors, inspection and JSON show no key', async () => {
    await seeded();
    await using kms = await openFileKms(open());
    const shown = inspect(kms, { depth: 9, showHidden: true }) + JSON.stringify(kms);
    const { keys } = JSON.parse(await decrypted()) as { keys: { secret: string }[] };
    const identity = Buffer.from(disk.get(identityPath)).toString().split('\n')[1]!;
    for (const canary of [keys[0]!.secret, identity]) expect(shown).not.toContain(canary);
  });
});

describe('backups', () => {
  const passphrase = () => Secret.fromText('correct horse');

  test('open with the age format alone, and restore on another disk', async () => {
    let [kid, signed, backup]: [string, Uint8Array, Uint8Array] = ['', new Uint8Array(0), new Uint8Array(0)];
    {
      await using kms = await openFileKms(open());
      kid = (await kms.createKey(request)).kid;
      signed = await kms.sign(kid, message);
      backup = await kms.backup(passphrase(), 4);
      expect(await refusalOf(() => restoreFileKms(open(), backup, passphrase()))).toBe('locked');
    }
    const decrypter = new Decrypter();
    decrypter.addPassphrase('correct horse');
    expect(JSON.parse(await decrypter.decrypt(backup, 'text')).keys[0].kid).toBe(kid);
    await expectRefusal('exists', () => restoreFileKms(open(), backup, passphrase()));

    disk = new MemoryDisk();
    const refused = restoreFileKms(open(), backup, Secret.fromText('wrong horse'));
    await expect(refused).rejects.toMatchObject({ reason: 'wrong_identity' });
    await expect(refused).rejects.not.toThrow(/horse/);
    expect(disk.files.size).toBe(0);
    await using restored = await restoreFileKms(open(), backup, passphrase());
    expect(restored.verify(kid, message, signed)).toBe(true);
  });
});
