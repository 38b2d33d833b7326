import { type Env, errorCode } from '@ron/kernel';
import { addressFromHash } from '@ron/naming';
import { openWithIdentities, sealForIdentities } from './age-seal.ts';
import { refuseOpenMode } from './identity-file.ts';
import { KeystoreError } from './keystore-error.ts';
import { decodeKeystore, encodeKeystore, type KeystoreContents, keystoreBytesMax } from './keystore-format.ts';
import { encodeState, type FoundKeystore, rolledBack, stateBytesMax } from './keystore-state.ts';
import type { Secret } from './secret.ts';
import { folderOf, readWholeFile, replaceWholeFile } from './whole-file.ts';

export interface FileKmsOptions {
  readonly env: Pick<Env, 'clock' | 'random' | 'disk' | 'work'>;
  /** The sealed file, for instance `keys/keystore.age`. Its folder is made and locked for this process. */
  readonly path: string;
  /** An age identity file on the same disk, for instance `keys/identity.txt`; made on the first start. */
  readonly identityPath?: string;
  /** The identity file's content, when the operator keeps it elsewhere. Excludes `identityPath`. */
  readonly identity?: Secret;
  /** Where it stands which keystore file is the newest; `path` with `.state` without it. Safest on another medium. */
  readonly statePath?: string;
}

/** The keystore and its state file. Not for two calls at once. */
export class KeystoreFile {
  readonly #options: FileKmsOptions;
  readonly #statePath: string;
  /** `b3:` of the state file's bytes as they are. */
  #stateDigest = '';

  constructor(options: FileKmsOptions) {
    this.#options = options;
    this.#statePath = options.statePath ?? `${options.path}.state`;
  }

  async lock(): Promise<AsyncDisposable> {
    try {
      return await this.#options.env.disk.lock(folderOf(this.#options.path));
    } catch (error) {
      // Anything else, a full disk for one, says what it is.
      if (errorCode(error) !== 'EBUSY') throw error;
      throw new KeystoreError('locked', 'another process uses this keystore', { cause: error });
    }
  }

  /** The sealed bytes; undefined without a keystore. */
  async sealed(): Promise<Uint8Array | undefined> {
    const { env, path } = this.#options;
    await refuseOpenMode(env.disk, path);
    try {
      return await readWholeFile(env.disk, path, keystoreBytesMax);
    } catch (error) {
      throw new KeystoreError('damaged', 'the keystore cannot be read', { cause: error });
    }
  }

  async state(): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readWholeFile(this.#options.env.disk, this.#statePath, stateBytesMax);
      this.#stateDigest = bytes === undefined ? '' : this.#digest(bytes);
      return bytes;
    } catch (error) {
      if (error instanceof Error && errorCode(error) !== undefined) throw error;
      throw rolledBack('its state file is damaged');
    }
  }

  async open(sealed: Uint8Array, identity: Secret): Promise<FoundKeystore> {
    const plaintext = await openWithIdentities(sealed, identity);
    try {
      const contents = decodeKeystore(plaintext, identity);
      const state = await this.state();
      return { contents, digest: this.#digest(sealed), state, stateDigest: this.#stateDigest };
    } finally {
      plaintext.fill(0);
    }
  }

  /** The keystore first, then the state: see `KeystoreState`. Overwrites the secrets. */
  async write(contents: Omit<KeystoreContents, 'previous'>, identity: Secret): Promise<void> {
    const sealed = await this.#seal({ ...contents, previous: this.#stateDigest }, identity);
    await replaceWholeFile(this.#options.env.disk, this.#options.path, sealed);
    await this.writeState(contents.generation, this.#digest(sealed), identity);
  }

  /** For a keystore that was not there: a crash between the two leaves a state without one, which may be restored again. */
  async writeRestored(contents: Omit<KeystoreContents, 'previous'>, identity: Secret): Promise<void> {
    const sealed = await this.#seal({ ...contents, previous: '' }, identity);
    await this.writeState(contents.generation, this.#digest(sealed), identity);
    await replaceWholeFile(this.#options.env.disk, this.#options.path, sealed);
  }

  /** Of a keystore that is ahead: its name may not be durable yet, and the state must never be the one ahead. */
  async catchUp(generation: number, digest: string, identity: Secret): Promise<void> {
    await this.#options.env.disk.syncDirectory(folderOf(this.#options.path));
    await this.writeState(generation, digest, identity);
  }

  async writeState(generation: number, digest: string, identity: Secret): Promise<void> {
    const bytes = encodeState({ generation, digest }, identity);
    const { disk } = this.#options.env;
    await disk.makeDirectory(folderOf(this.#statePath));
    await replaceWholeFile(disk, this.#statePath, bytes);
    this.#stateDigest = this.#digest(bytes);
  }

  async removeState(): Promise<void> {
    const { disk } = this.#options.env;
    await disk.remove(this.#statePath);
    await disk.syncDirectory(folderOf(this.#statePath));
    this.#stateDigest = '';
  }

  async #seal(contents: KeystoreContents, identity: Secret): Promise<Uint8Array> {
    const plaintext = encodeKeystore(contents, identity);
    try {
      return await sealForIdentities(plaintext, identity);
    } finally {
      plaintext.fill(0);
    }
  }

  #digest(bytes: Uint8Array): string {
    const hasher = this.#options.env.work.blake3Stream();
    hasher.update(bytes);
    return addressFromHash(hasher.digest());
  }
}
