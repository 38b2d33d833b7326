import type { Disk } from '@ron/kernel';
import { createIdentityText, identitiesOf } from './age-seal.ts';
import { KeystoreError } from './keystore-error.ts';
import type { FileKmsOptions } from './keystore-file.ts';
import { Secret } from './secret.ts';
import { folderOf, readWholeFile, replaceWholeFile } from './whole-file.ts';

const identityBytesMax = 16 * 1024;

/** Makes the identity file on the first start. The caller disposes what it gets. */
export async function loadIdentity(options: FileKmsOptions, keystoreExists: boolean): Promise<Secret> {
  if (options.identity !== undefined) return new Secret(options.identity.bytes().slice());
  const path = options.identityPath;
  if (path === undefined) throw new KeystoreError('identity_missing', 'no identity was given for the keystore');
  const { disk } = options.env;
  await refuseOpenMode(disk, path);
  const bytes = await readWholeFile(disk, path, identityBytesMax);
  if (bytes !== undefined) return new Secret(bytes);
  if (keystoreExists) throw new KeystoreError('identity_missing', 'there is a keystore but no identity file for it');
  const made = Secret.fromText(await createIdentityText());
  await disk.makeDirectory(folderOf(path));
  // The identity is durable before anything is sealed to it: the other order could leave a file that nothing opens.
  await replaceWholeFile(disk, path, made.bytes());
  return made;
}

/** Both in one file: with it the keystore opens whichever of them it is sealed to. The first one seals. */
export function bothIdentities(next: Secret, now: Secret): Secret {
  const lines = [...identitiesOf(next), ...identitiesOf(now)];
  return Secret.fromText(`${lines.join('\n')}\n`);
}

/** Refuses a secret file that group or others may read, before anything of it is read. */
export async function refuseOpenMode(disk: Disk, path: string): Promise<void> {
  const mode = (await disk.stat(path))?.mode ?? 0o600;
  if ((mode & 0o077) === 0) return;
  const shown = mode.toString(8).padStart(3, '0');
  throw new KeystoreError('wrong_mode', `${path} has mode ${shown}, which lets others at it: chmod 600 ${path}`);
}
