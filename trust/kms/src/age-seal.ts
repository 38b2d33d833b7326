/**
 * The only file that touches the age package, which may use the platform's asynchronous crypto internally. It is
 * imported on first use: a node whose keys live in memory never loads it.
 */
import { KeystoreError } from './keystore-error.ts';
import type { Secret } from './secret.ts';

const age = () => import('age-encryption');

/** The text of a new age identity file: an X25519 secret key, with its recipient as a comment. */
export async function createIdentityText(): Promise<string> {
  const { generateX25519Identity, identityToRecipient } = await age();
  const identity = await generateX25519Identity();
  return `# public key: ${await identityToRecipient(identity)}\n${identity}\n`;
}

/** Seals for the recipients of the identities, so that each of them opens it; the `age` tool does too. */
export async function sealForIdentities(plaintext: Uint8Array, identityFile: Secret): Promise<Uint8Array> {
  const { Encrypter } = await age();
  const encrypter = new Encrypter();
  for (const recipient of await recipientsOf(identityFile)) encrypter.addRecipient(recipient);
  return encrypter.encrypt(plaintext);
}

/** Refuses a file that holds no usable identity, or one that is none. */
export async function recipientsOf(identityFile: Secret): Promise<readonly string[]> {
  const { identityToRecipient } = await age();
  const recipients: string[] = [];
  for (const identity of identitiesOf(identityFile)) {
    recipients.push(await recipientOf(identityToRecipient, identity));
  }
  return recipients;
}

export async function openWithIdentities(sealed: Uint8Array, identityFile: Secret): Promise<Uint8Array> {
  const { Decrypter } = await age();
  const decrypter = new Decrypter();
  for (const identity of identitiesOf(identityFile)) {
    try {
      decrypter.addIdentity(identity);
    } catch (error) {
      throw malformedIdentity(error);
    }
  }
  return open(() => decrypter.decrypt(sealed), 'the identity does not open this keystore');
}

/** `workFactorLog2` is log2 of scrypt's N; 18 is age's own default and costs about two seconds here. */
export async function sealWithPassphrase(
  plaintext: Uint8Array,
  passphrase: Secret,
  workFactorLog2 = 18,
): Promise<Uint8Array> {
  const { Encrypter } = await age();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase.text());
  encrypter.setScryptWorkFactor(workFactorLog2);
  return encrypter.encrypt(plaintext);
}

export async function openWithPassphrase(sealed: Uint8Array, passphrase: Secret): Promise<Uint8Array> {
  const { Decrypter } = await age();
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase.text());
  return open(() => decrypter.decrypt(sealed), 'the passphrase does not open this backup');
}

/** The format of the `age` tool's identity files: one key a line, `#` comments and empty lines between. */
export function identitiesOf(file: Secret): readonly string[] {
  const lines = file.text().split(/\r?\n/);
  const identities = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  if (identities.length === 0 || identities.length > 16) throw malformedIdentity(undefined);
  return identities;
}

async function recipientOf(convert: (identity: string) => Promise<string>, identity: string): Promise<string> {
  try {
    return await convert(identity);
  } catch (error) {
    throw malformedIdentity(error);
  }
}

/** The cause is dropped on purpose: a parser's message may quote the secret key. */
function malformedIdentity(_cause: unknown): KeystoreError {
  return new KeystoreError('identity_malformed', 'the identity file holds no usable age secret key');
}

async function open(decrypt: () => Promise<Uint8Array>, mismatch: string): Promise<Uint8Array> {
  try {
    return await decrypt();
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    if (message.includes('no identity matched')) throw new KeystoreError('wrong_identity', mismatch);
    throw new KeystoreError('damaged', 'the keystore is damaged or is not an age file', { cause: error });
  }
}
