import { createIdentityText, recipientsOf, sealWithPassphrase } from './age-seal.ts';
import { bothIdentities, loadIdentity } from './identity-file.ts';
import { KeyChanges } from './key-changes.ts';
import { KeyRing, type RingChange } from './key-ring.ts';
import { KeyWork } from './key-work.ts';
import { KeystoreError } from './keystore-error.ts';
import { type FileKmsOptions, KeystoreFile } from './keystore-file.ts';
import { encodeKeystore, type KeystoreContents } from './keystore-format.ts';
import { checkNewest, rolledBack } from './keystore-state.ts';
import type { Kms } from './kms.ts';
import { OperationMemory, type RememberedOperation } from './operation-memory.ts';
import { Secret } from './secret.ts';
import { folderOf, replaceWholeFile } from './whole-file.ts';

export interface FileKms extends Kms {
  /** True when this start made the keystore: the node has a new identity. */
  readonly created: boolean;
  /** Every key, sealed with a passphrase for safe keeping; `age -d` opens it. About two seconds at work factor 18. */
  backup(passphrase: Secret, workFactorLog2?: number): Promise<Uint8Array>;
  /**
   * Seals the keystore to another age identity, a fresh one without `next`; from then on the one before opens older
   * copies only. An identity file is replaced too. A crash at any moment leaves files that open: an identity file that
   * names both until the end, and for an identity that the operator keeps, the one or the other.
   */
  reseal(next?: Secret): Promise<void>;
}

/**
 * Keys in one file in the age format, sealed to an X25519 identity, so the standard `age` tool opens it. A change
 * rewrites the file atomically and is on stable storage before it resolves. Rejects with `KeystoreError` and changes
 * nothing when the identity is wrong, the file is damaged, older than the newest (`KeystoreState`) or open to others.
 * After a failed write the engine refuses further changes (`read_only`) but goes on working with what was durable.
 */
export async function openFileKms(options: FileKmsOptions): Promise<FileKms> {
  await options.env.disk.makeDirectory(folderOf(options.path));
  const file = new KeystoreFile(options);
  const lock = await file.lock();
  let identity: Secret | undefined;
  try {
    const sealed = await file.sealed();
    if (sealed === undefined && (await file.state()) !== undefined) throw rolledBack('it is gone');
    identity = await loadIdentity(options, sealed !== undefined);
    if (sealed === undefined) {
      const contents = { generation: 1, keys: [], operations: [] };
      await file.write(contents, identity);
      return new SealedFile({ options, file, identity, lock, created: true }, contents);
    }
    const found = await file.open(sealed, identity);
    const { contents } = found;
    // The first keystore without a state is a first start that was cut short: nobody has seen it before.
    const created = found.state === undefined && contents.generation === 1 && contents.keys.length === 0;
    try {
      if (checkNewest(found, identity) === 'behind') {
        await file.catchUp(contents.generation, found.digest, identity);
      }
    } catch (error) {
      for (const key of contents.keys) key.secret?.fill(0);
      throw error;
    }
    return new SealedFile({ options, file, identity, lock, created }, contents);
  } catch (error) {
    identity?.[Symbol.dispose]();
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

const readOnly = 'the keystore could not be written and takes no changes until it is opened again';

interface Opened {
  readonly options: FileKmsOptions;
  readonly file: KeystoreFile;
  readonly identity: Secret;
  readonly lock: AsyncDisposable;
  readonly created: boolean;
}

class SealedFile extends KeyWork implements FileKms {
  readonly durability = 'fsync';
  readonly created: boolean;
  readonly #options: FileKmsOptions;
  readonly #file: KeystoreFile;
  readonly #lock: AsyncDisposable;
  readonly #ring: KeyRing;
  readonly #memory = new OperationMemory();
  readonly #changes: KeyChanges;
  #identity: Secret;
  #failed = false;

  constructor(opened: Opened, contents: Omit<KeystoreContents, 'previous'>) {
    const ring = new KeyRing();
    super(ring, opened.options.env.random);
    this.#ring = ring;
    this.#options = opened.options;
    this.#file = opened.file;
    this.#identity = opened.identity;
    this.#lock = opened.lock;
    this.created = opened.created;
    for (const key of contents.keys) ring.add(key);
    for (const operation of contents.operations) this.#memory.add(operation);
    ring.generation = contents.generation;
    this.#changes = new KeyChanges(ring, this.#memory, opened.options.env, (change, operation) =>
      this.#store(change, operation),
    );
  }

  get generation(): number {
    return this.#ring.generation;
  }

  get failure(): string | undefined {
    return this.#failed ? readOnly : undefined;
  }

  readonly createKey: Kms['createKey'] = (request, options) => this.#changes.createKey(request, options);
  readonly rotateKey: Kms['rotateKey'] = (kid, options) => this.#changes.rotateKey(kid, options);
  readonly retireKey: Kms['retireKey'] = (kid, options) => this.#changes.retireKey(kid, options);
  readonly destroyKey: Kms['destroyKey'] = (kid, options) => this.#changes.destroyKey(kid, options);

  async backup(passphrase: Secret, workFactorLog2?: number): Promise<Uint8Array> {
    const plaintext = encodeKeystore({ ...this.#contents(), previous: '' }, undefined);
    try {
      return await sealWithPassphrase(plaintext, passphrase, workFactorLog2);
    } finally {
      plaintext.fill(0);
    }
  }

  reseal(next?: Secret): Promise<void> {
    return this.#changes.exclusive(() => this.#reseal(next));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#changes.exclusive(async () => {
      this.#failed = true;
    });
    this.#ring.clear();
    this.#identity[Symbol.dispose]();
    await this.#lock[Symbol.asyncDispose]();
  }

  #store(change: RingChange, operation: RememberedOperation | undefined): Promise<void> {
    return this.#guarded(() => {
      const generation = this.#ring.generation + 1;
      return this.#file.write({ ...this.#contents(change, operation), generation }, this.#identity);
    });
  }

  #contents(change?: RingChange, operation?: RememberedOperation): Omit<KeystoreContents, 'previous'> {
    const { generation } = this.#ring;
    return { generation, keys: this.#ring.stored(change), operations: this.#memory.list(operation) };
  }

  async #reseal(given: Secret | undefined): Promise<void> {
    const { identityPath, env } = this.#options;
    if (given === undefined && identityPath === undefined) {
      throw new KeystoreError('identity_missing', 'give the identity to seal to: this keystore has no identity file');
    }
    const next = given === undefined ? Secret.fromText(await createIdentityText()) : copyOf(given);
    // Refuses a malformed one before anything is written.
    await recipientsOf(next);
    using both = bothIdentities(next, this.#identity);
    await this.#guarded(async () => {
      if (identityPath !== undefined) await replaceWholeFile(env.disk, identityPath, both.bytes());
      await this.#file.write({ ...this.#contents(), generation: this.#ring.generation + 1 }, next);
      if (identityPath !== undefined) await replaceWholeFile(env.disk, identityPath, next.bytes());
    });
    this.#identity[Symbol.dispose]();
    this.#identity = next;
    this.#ring.generation += 1;
  }

  async #guarded(write: () => Promise<void>): Promise<void> {
    if (this.#failed) throw new KeystoreError('read_only', readOnly);
    try {
      await write();
    } catch (error) {
      // Whether the rename reached the disk is unknown: another write could lose or resurrect a key.
      this.#failed = true;
      throw error;
    }
  }
}

function copyOf(secret: Secret): Secret {
  return new Secret(secret.bytes().slice());
}
