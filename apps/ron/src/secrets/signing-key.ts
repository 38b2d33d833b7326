import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { configurationError } from '../cli-error.ts';
import { readSecretFile } from './secret-file.ts';

const algorithms = ['ed25519', 'ml-dsa-65'] as const;
type Algorithm = (typeof algorithms)[number];
const rawBytes = { ed25519: 32, 'ml-dsa-65': 1_952 } as const;

/** Somebody who signs policies and registry snapshots, or proves that a capability is theirs. */
export interface SigningKey {
  readonly name: string;
  readonly private: { readonly ed25519: KeyObject; readonly 'ml-dsa-65'?: KeyObject };
  /** Raw, base64url without padding. */
  readonly public: { readonly ed25519: string; readonly 'ml-dsa-65'?: string };
}

export const signerNamePattern = /^[A-Za-z0-9._:@/#-]{1,128}$/;

export function createSigningKey(name: string, hybrid: boolean): SigningKey {
  const ed25519 = generateKeyPairSync('ed25519').privateKey;
  return signingKey(name, hybrid ? { ed25519, 'ml-dsa-65': generateKeyPairSync('ml-dsa-65').privateKey } : { ed25519 });
}

/** The file of a key: PKCS #8 as base64 in JSON. It belongs into a file of mode 0600 and nowhere else. */
export function encodeSigningKey(key: SigningKey): string {
  const keys = algorithms.flatMap((alg) => {
    const own = key.private[alg];
    return own === undefined ? [] : [[alg, own.export({ format: 'der', type: 'pkcs8' }).toString('base64')] as const];
  });
  return `${JSON.stringify({ type: 'ron-signing-key/1', name: key.name, ...Object.fromEntries(keys) })}\n`;
}

/** Refuses a file that others may read. */
export function readSigningKey(path: string): SigningKey {
  const text = readSecretFile(path);
  try {
    const { type, name, ...keys } = (JSON.parse(text) ?? {}) as Partial<Record<'type' | 'name' | Algorithm, unknown>>;
    const ed25519 = keyOf('ed25519', keys.ed25519);
    if (type === 'ron-signing-key/1' && typeof name === 'string' && signerNamePattern.test(name) && ed25519) {
      const second = keyOf('ml-dsa-65', keys['ml-dsa-65']);
      return signingKey(name, second === undefined ? { ed25519 } : { ed25519, 'ml-dsa-65': second });
    }
  } catch (thrown) {
    // JSON and OpenSSL quote what they cannot read, which may be a secret: neither's words are passed on.
    if (!(thrown instanceof SyntaxError || (thrown instanceof Error && 'code' in thrown))) throw thrown;
  }
  throw configurationError(`${path} is no signing key: ron policy keygen --out FILE makes one`, `ls -l ${path}`);
}

/** 64 bytes of Ed25519, 3,309 of ML-DSA-65. */
export function signWith(key: KeyObject, message: Uint8Array): Uint8Array {
  return sign(null, message, key);
}

function keyOf(alg: Algorithm, text: unknown): KeyObject | undefined {
  if (typeof text !== 'string') return undefined;
  const key = createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
  return key.asymmetricKeyType === alg ? key : undefined;
}

function signingKey(name: string, own: SigningKey['private']): SigningKey {
  const raw = (alg: Algorithm, key: KeyObject) =>
    createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-rawBytes[alg]).toString('base64url');
  const second = own['ml-dsa-65'];
  return {
    name,
    private: own,
    public: {
      ed25519: raw('ed25519', own.ed25519),
      ...(second === undefined ? {} : { 'ml-dsa-65': raw('ml-dsa-65', second) }),
    },
  };
}
