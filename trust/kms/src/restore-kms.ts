import { openWithPassphrase } from './age-seal.ts';
import { type FileKms, openFileKms } from './file-kms.ts';
import { loadIdentity } from './identity-file.ts';
import { KeystoreError } from './keystore-error.ts';
import { type FileKmsOptions, KeystoreFile } from './keystore-file.ts';
import { decodeKeystore } from './keystore-format.ts';
import { decodeState } from './keystore-state.ts';
import type { Secret } from './secret.ts';
import { folderOf } from './whole-file.ts';

/**
 * Writes a keystore from a passphrase backup. Refuses to replace one that is there. The generation goes on above the
 * backup's and the one that the state file knows, so that no older file fits any more.
 */
export async function restoreFileKms(
  options: FileKmsOptions,
  backup: Uint8Array,
  passphrase: Secret,
): Promise<FileKms> {
  const plaintext = await openWithPassphrase(backup, passphrase);
  const contents = decodeKeystore(plaintext, undefined);
  plaintext.fill(0);
  await options.env.disk.makeDirectory(folderOf(options.path));
  const file = new KeystoreFile(options);
  try {
    await using _lock = await file.lock();
    if ((await options.env.disk.stat(options.path)) !== undefined) {
      throw new KeystoreError('exists', 'there is a keystore already: move it away before restoring');
    }
    using identity = await loadIdentity(options, false);
    const known = await knownGeneration(file, identity);
    await file.writeRestored({ ...contents, generation: Math.max(contents.generation, known) + 1 }, identity);
  } finally {
    for (const key of contents.keys) key.secret?.fill(0);
  }
  return openFileKms(options);
}

/**
 * Opens a keystore file that `openFileKms` refuses as `rolled_back`: the operator vouches that it is the one to go on
 * with, for instance when only the state file was lost. Its seal is checked as ever.
 */
export async function acceptFileKms(options: FileKmsOptions): Promise<FileKms> {
  const file = new KeystoreFile(options);
  {
    await using _lock = await file.lock();
    const sealed = await file.sealed();
    if (sealed === undefined) throw new KeystoreError('damaged', 'there is no keystore to accept');
    using identity = await loadIdentity(options, true);
    const { contents, digest } = await file.open(sealed, identity);
    for (const key of contents.keys) key.secret?.fill(0);
    if (contents.generation === 0) await file.removeState();
    else await file.catchUp(contents.generation, digest, identity);
  }
  return openFileKms(options);
}

async function knownGeneration(file: KeystoreFile, identity: Secret): Promise<number> {
  const state = await file.state();
  return state === undefined ? 0 : (decodeState(state, identity)?.generation ?? 0);
}
