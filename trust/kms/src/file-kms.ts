import { type Env, errorCode } from '@ron/kernel';
import {
  createIdentityText,
  openWithIdentities,
  openWithPassphrase,
  sealForIdentities,
  sealWithPassphrase,
} from './age-seal.ts';
import { KeyRing, type StoredKey } from './key-ring.ts';
import { KeystoreError } from './keystore-error.ts';
import { decodeKeystore, encodeKeystore, keystoreBytesMax } from './keystore-format.ts';
import type { KeyInfo, KeyRequest, Kms } from './kms.ts';
import { Secret } from './secret.ts';
import { folderOf, readWholeFile, replaceWholeFile } from './whole-file.ts';

export interface FileKmsOptions {
  readonly env: Pick<Env, 'clock' | 'random' | 'disk'>;
  /** The sealed file, for instance `keys/keystore.age`. Its folder is made and locked for this process. */
  readonly path: string;
  /** An age identity file on the same disk, for instance `keys/identity.txt`; made on the first start. */
  readonly identityPath?: string;
  /** The identity file's content, when the operator keeps it elsewhere. Excludes `identityPath`. */
  readonly identity?: Secret;
}

export interface FileKms extends Kms {
  /** True when this start made the keystore: the node has a new identity. */
  readonly created: boolean;
  /** Every key, sealed with a passphrase for safe keeping; `age -d` opens it. About two seconds at work factor 18. */
  backup(passphrase: Secret, workFactorLog2?: number): Promise<Uint8Array>;
}

const identityBytesMax = 16 * 1024;

/**
 * Keys in one file in the age format, sealed to an X25519 identity, so the standard `age` tool opens it. A change
 * rewrites the file atomically and is on stable storage before `createKey` resolves. Rejects with `KeystoreError`
 * and changes nothing when the identity is wrong or the file is damaged. After a failed write the engine refuses
 * further changes (`read_only`) but goes on signing with what was durable.
 */
export async function openFileKms(options: FileKmsOptions): Promise<FileKms> {
  const { disk } = options.env;
  await disk.makeDirectory(folderOf(options.path));
  const lock = await lockFolder(options);
  try {
    const sealed = await readKeystore(options);
    const identity = await loadIdentity(options, sealed !== undefined);
    const ring = new KeyRing();
    if (sealed === undefined) await writeKeystore(options, identity, []);
    else await fillRing(ring, await openWithIdentities(sealed, identity));
    return new SealedFile(options, identity, ring, lock, sealed === undefined);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Writes a keystore from a passphrase backup. Refuses to replace one that is there. */
export async function restoreFileKms(
  options: FileKmsOptions,
  backup: Uint8Array,
  passphrase: Secret,
): Promise<FileKms> {
  const plaintext = await openWithPassphrase(backup, passphrase);
  const keys = decodeKeystore(plaintext);
  plaintext.fill(0);
  const { disk } = options.env;
  await disk.makeDirectory(folderOf(options.path));
  {
    await using _lock = await lockFolder(options);
    if ((await disk.stat(options.path)) !== undefined) {
      throw new KeystoreError('exists', 'there is a keystore already: move it away before restoring');
    }
    await writeKeystore(options, await loadIdentity(options, false), keys);
  }
  return openFileKms(options);
}

class SealedFile implements FileKms {
  readonly durability = 'fsync';
  readonly created: boolean;
  readonly #options: FileKmsOptions;
  readonly #identity: Secret;
  readonly #ring: KeyRing;
  readonly #lock: AsyncDisposable;
  /** Changes run one after the other: each rewrites the whole file. */
  #tail: Promise<unknown> = Promise.resolve();
  #failed = false;

  constructor(options: FileKmsOptions, identity: Secret, ring: KeyRing, lock: AsyncDisposable, created: boolean) {
    this.#options = options;
    this.#identity = identity;
    this.#ring = ring;
    this.#lock = lock;
    this.created = created;
  }

  createKey(request: KeyRequest): Promise<KeyInfo> {
    const made = this.#tail.then(() => this.#createKey(request));
    this.#tail = made.catch(() => undefined);
    return made;
  }

  listKeys: Kms['listKeys'] = (filter) => this.#ring.list(filter);
  sign: Kms['sign'] = (kid, bytes) => this.#ring.sign(kid, bytes);
  verify: Kms['verify'] = (kid, bytes, signature) => this.#ring.verify(kid, bytes, signature);
  publicKey: Kms['publicKey'] = (kid) => this.#ring.publicKey(kid);
  mac: Kms['mac'] = (kid, bytes) => this.#ring.mac(kid, bytes);

  async backup(passphrase: Secret, workFactorLog2?: number): Promise<Uint8Array> {
    const plaintext = encodeKeystore(this.#ring.exportSecrets());
    const sealed = await sealWithPassphrase(plaintext, passphrase, workFactorLog2);
    plaintext.fill(0);
    return sealed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tail;
    this.#failed = true;
    this.#ring.clear();
    this.#identity[Symbol.dispose]();
    await this.#lock[Symbol.asyncDispose]();
  }

  async #createKey(request: KeyRequest): Promise<KeyInfo> {
    if (this.#failed) throw new KeystoreError('read_only', 'the keystore could not be written and takes no changes');
    this.#ring.refuseWhenFull();
    const { clock, random } = this.#options.env;
    const fresh = KeyRing.generate(request, clock, random);
    const copy = { ...fresh, secret: fresh.secret.slice() };
    try {
      await writeKeystore(this.#options, this.#identity, [...this.#ring.exportSecrets(), fresh]);
    } catch (error) {
      // Whether the rename reached the disk is unknown: another write could lose or resurrect a key.
      this.#failed = true;
      copy.secret.fill(0);
      throw error;
    }
    return this.#ring.add(copy);
  }
}

async function lockFolder(options: FileKmsOptions): Promise<AsyncDisposable> {
  try {
    return await options.env.disk.lock(folderOf(options.path));
  } catch (error) {
    // Anything else, a full disk for one, says what it is.
    if (errorCode(error) !== 'EBUSY') throw error;
    throw new KeystoreError('locked', 'another process uses this keystore', { cause: error });
  }
}

async function readKeystore(options: FileKmsOptions): Promise<Uint8Array | undefined> {
  try {
    return await readWholeFile(options.env.disk, options.path, keystoreBytesMax);
  } catch (error) {
    throw new KeystoreError('damaged', 'the keystore cannot be read', { cause: error });
  }
}

async function loadIdentity(options: FileKmsOptions, keystoreExists: boolean): Promise<Secret> {
  if (options.identity !== undefined) return new Secret(options.identity.bytes().slice());
  const path = options.identityPath;
  if (path === undefined) throw new KeystoreError('identity_missing', 'no identity was given for the keystore');
  const { disk } = options.env;
  const bytes = await readWholeFile(disk, path, identityBytesMax);
  if (bytes !== undefined) return new Secret(bytes);
  if (keystoreExists) throw new KeystoreError('identity_missing', 'there is a keystore but no identity file for it');
  const made = Secret.fromText(await createIdentityText());
  await disk.makeDirectory(folderOf(path));
  // The identity is durable before anything is sealed to it: the other order could leave a file that nothing opens.
  await replaceWholeFile(disk, path, made.bytes());
  return made;
}

async function writeKeystore(options: FileKmsOptions, identity: Secret, keys: readonly StoredKey[]): Promise<void> {
  const plaintext = encodeKeystore(keys);
  try {
    await replaceWholeFile(options.env.disk, options.path, await sealForIdentities(plaintext, identity));
  } finally {
    plaintext.fill(0);
  }
}

async function fillRing(ring: KeyRing, plaintext: Uint8Array): Promise<void> {
  const keys = decodeKeystore(plaintext);
  plaintext.fill(0);
  for (const key of keys) ring.add(key);
}
