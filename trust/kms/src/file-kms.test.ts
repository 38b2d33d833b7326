import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { Disk, File } from '@ron/kernel';
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { beforeEach, describe, expect, test } from 'vitest';
import { type FileKms, openFileKms, restoreFileKms } from './file-kms.ts';
import { KeystoreError } from './keystore-error.ts';
import type { KeyRequest } from './kms.ts';
import { Secret } from './secret.ts';

const path = 'keys/keystore.age';
const identityPath = 'keys/identity.txt';
const request: KeyRequest = { tenant: 'node', purpose: 'names', alg: 'ed25519' };
const message = new TextEncoder().encode('message');

/** Files in a map. `durable` is what a power cut leaves: synced content under synced names. Each change counts, and the chosen one fails. */
class MemoryDisk {
  files = new Map<string, { bytes: Uint8Array; synced: Uint8Array }>();
  durable = new Map<string, Uint8Array>();
  locked = new Set<string>();
  changes = 0;
  failAt = Infinity;

  port(): Disk {
    const unused = () => Promise.reject(new Error('not used here'));
    return {
      open: async (name, mode) => this.#open(name, mode),
      list: unused,
      stat: async (name) => {
        const file = this.files.get(name);
        return file === undefined ? undefined : { kind: 'file', sizeBytes: file.bytes.length };
      },
      makeDirectory: async () => undefined,
      rename: async (from, to) => {
        this.#change();
        this.files.set(to, this.files.get(from)!);
        this.files.delete(from);
      },
      remove: async (name) => void this.files.delete(name),
      syncDirectory: async () => {
        this.#change();
        this.durable = new Map([...this.files].map(([name, file]) => [name, file.synced]));
      },
      freeBytes: async () => 1e9,
      lock: async (name) => {
        if (this.locked.has(name)) throw Object.assign(new Error('busy'), { code: 'EBUSY' });
        this.locked.add(name);
        return { [Symbol.asyncDispose]: async () => void this.locked.delete(name) };
      },
    };
  }

  powerCut(): void {
    this.files = new Map([...this.durable].map(([name, bytes]) => [name, { bytes, synced: bytes }]));
    this.locked.clear();
    this.failAt = Infinity;
  }

  snapshot(): string {
    return JSON.stringify([...this.files].map(([name, file]) => [name, Buffer.from(file.bytes).toString('hex')]));
  }

  #change(): void {
    this.changes += 1;
    if (this.changes === this.failAt) throw Object.assign(new Error('injected'), { code: 'EIO' });
  }

  #open(name: string, mode: string): File {
    if (mode === 'create') this.files.set(name, { bytes: new Uint8Array(0), synced: new Uint8Array(0) });
    const file = this.files.get(name)!;
    const close = async () => undefined;
    const unused = () => Promise.reject(new Error('not used here'));
    return {
      readSync: () => 0,
      read: async (into, offset) => {
        into.set(file.bytes.subarray(offset, offset + into.length));
        return Math.min(into.length, file.bytes.length - offset);
      },
      write: async (pieces) => {
        this.#change();
        file.bytes = new Uint8Array(Buffer.concat(pieces));
      },
      sync: async () => {
        this.#change();
        file.synced = file.bytes;
      },
      truncate: unused,
      preallocate: unused,
      size: async () => file.bytes.length,
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}

let disk: MemoryDisk;
const open = () => {
  const clock = { wallMs: () => 1_764_000_000_000, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };
  const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)), unit: () => 0.5 };
  return { env: { clock, random, disk: disk.port() }, path, identityPath };
};
beforeEach(() => {
  disk = new MemoryDisk();
});

async function refusalOf(task: () => Promise<unknown>): Promise<string> {
  try {
    await task();
  } catch (error) {
    if (error instanceof KeystoreError) return error.reason;
    throw error;
  }
  return 'accepted';
}

describe('keys survive', () => {
  test('the first start makes identity and keystore, the next one finds the same keys', async () => {
    let [kid, mac, signed]: [string, string, Uint8Array] = ['', '', new Uint8Array(0)];
    {
      await using kms = await openFileKms(open());
      expect([kms.created, kms.durability]).toEqual([true, 'fsync']);
      kid = (await kms.createKey(request)).kid;
      const macKey = await kms.createKey({ ...request, purpose: 'capability', alg: 'hmac' });
      mac = Buffer.from(kms.mac(macKey.kid, message)).toString('hex');
      signed = await kms.sign(kid, message);
    }
    disk.powerCut();
    await using kms = await openFileKms(open());
    expect(kms.created).toBe(false);
    expect(kms.verify(kid, message, signed)).toBe(true);
    const [macKey] = kms.listKeys({ alg: 'hmac' });
    expect(Buffer.from(kms.mac(macKey!.kid, message)).toString('hex')).toBe(mac);
    expect(kms.listKeys().map((info) => info.purpose)).toEqual(['names', 'capability']);
  });

  test('keys made at once are all there', async () => {
    const kids = await (async () => {
      await using kms = await openFileKms(open());
      return (await Promise.all(Array.from({ length: 8 }, () => kms.createKey(request)))).map((info) => info.kid);
    })();
    await using kms = await openFileKms(open());
    expect(kms.listKeys().map((info) => info.kid)).toEqual(kids);
  });

  test('whatever change fails, an acknowledged key is there and the keystore opens', async () => {
    let clean = false;
    for (let failAt = 1; !clean; failAt += 1) {
      disk = new MemoryDisk();
      disk.failAt = failAt;
      const acknowledged: string[] = [];
      let kms: FileKms | undefined;
      try {
        kms = await openFileKms(open());
        for (let count = 0; count < 2; count += 1) acknowledged.push((await kms.createKey(request)).kid);
        clean = true;
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('EIO');
        if (kms !== undefined) expect(await refusalOf(() => kms!.createKey(request))).toBe('read_only');
      }
      disk.powerCut();
      await using reopened = await openFileKms(open());
      const kids = reopened.listKeys().map((info) => info.kid);
      expect(kids.slice(0, acknowledged.length), `change ${failAt}`).toEqual(acknowledged);
    }
    expect(disk.changes).toBeGreaterThan(12);
  });
});

describe('what does not open', () => {
  async function seeded(): Promise<void> {
    await using kms = await openFileKms(open());
    await kms.createKey(request);
  }
  async function expectRefusal(reason: string): Promise<void> {
    const before = disk.snapshot();
    expect(await refusalOf(() => openFileKms(open()))).toBe(reason);
    expect(disk.snapshot()).toBe(before);
    expect(disk.locked.size).toBe(0);
  }
  const put = (name: string, bytes: Uint8Array) => disk.files.set(name, { bytes, synced: bytes });

  test('with another identity', async () => {
    await seeded();
    put(identityPath, Buffer.from(`${await generateX25519Identity()}\n`));
    await expectRefusal('wrong_identity');
  });

  test.each(['', 'nonsense', 'AGE-SECRET-KEY-1QQQQ'])('with the identity file %j', async (text) => {
    await seeded();
    put(identityPath, Buffer.from(text));
    await expectRefusal('identity_malformed');
  });

  test('without an identity', async () => {
    await seeded();
    disk.files.delete(identityPath);
    await expectRefusal('identity_missing');
  });

  test('cut short anywhere, or with a byte changed', async () => {
    await seeded();
    const whole = disk.files.get(path)!.bytes;
    for (let length = 0; length < whole.length; length += 37) {
      put(path, whole.slice(0, length));
      await expectRefusal('damaged');
    }
    for (let at = 0; at < whole.length; at += 53) {
      const changed = Uint8Array.from(whole);
      changed[at]! ^= 1;
      put(path, changed);
      const reason = await refusalOf(() => openFileKms(open()));
      expect(['damaged', 'wrong_identity'], `byte ${at}`).toContain(reason);
    }
  });

  test.each([
    'not JSON',
    '{"v":2,"keys":[]}',
    '{"v":1,"keys":[{"kid":"../x","created_at":1,"secret":"AA"}]}',
    `{"v":1,"keys":[{"kid":"node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1","created_at":1,"secret":"AA"}]}`,
    `{"v":1,"keys":[{"kid":"node/names/ed25519/0192f3a0-0000-7000-8000-000000000001#1","created_at":1}]}`,
  ])('holding %s', async (text) => {
    await seeded();
    const identity = Buffer.from(disk.files.get(identityPath)!.bytes).toString().split('\n')[1]!;
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identity));
    put(path, await encrypter.encrypt(text));
    await expectRefusal('damaged');
  });

  test('while another process holds it', async () => {
    await using _kms = await openFileKms(open());
    expect(await refusalOf(() => openFileKms(open()))).toBe('locked');
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
    expect(await refusalOf(() => restoreFileKms(open(), backup, passphrase()))).toBe('exists');

    disk = new MemoryDisk();
    expect(await refusalOf(() => restoreFileKms(open(), backup, Secret.fromText('wrong')))).toBe('wrong_identity');
    expect(disk.files.size).toBe(0);
    await using restored = await restoreFileKms(open(), backup, passphrase());
    expect(restored.verify(kid, message, signed)).toBe(true);
  });
});

describe('nothing is shown', () => {
  test('by a secret, however it is printed', () => {
    const secret = Secret.fromText('hunter2');
    const shown = [String(secret), `${secret}`, JSON.stringify({ secret }), inspect({ deep: [secret] }), `a${secret}`];
    for (const text of shown) expect(text).toContain('[redacted]');
    expect(shown.join()).not.toContain('hunter2');
    const bytes = secret.bytes();
    secret[Symbol.dispose]();
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(() => secret.text()).toThrow(/disposed/);
  });

  test('by a keystore, its errors or its file', async () => {
    await using kms = await openFileKms(open());
    await kms.createKey(request);
    const identity = /AGE-SECRET-KEY-1[A-Z0-9]+/.exec(Buffer.from(disk.files.get(identityPath)!.bytes).toString())![0];
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const { keys } = JSON.parse(await decrypter.decrypt(disk.files.get(path)!.bytes, 'text'));
    const shown = inspect(kms, { depth: 9, showHidden: true }) + JSON.stringify(kms);
    expect(keys[0].secret).toHaveLength(43);
    expect(shown).not.toContain(keys[0].secret);
    expect(shown).not.toContain(identity);
    expect(Buffer.from(disk.files.get(path)!.bytes).toString('latin1')).not.toContain(keys[0].secret);
  });
});
