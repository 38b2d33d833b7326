import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { RegistrySigner, Snapshot } from '@ron/proto/registry';
import { documentBytes, documentId, encodeSigned, type SignatureAlgorithm, type SignerSignature } from '@ron/signed';

const algorithms = ['ed25519', 'ml-dsa-65'] as const;

/** Somebody with keys, outside of the node. */
export class TestSigner {
  readonly signer: RegistrySigner;
  readonly #keys: Readonly<Record<SignatureAlgorithm, KeyObject>>;

  constructor(name: string, isHybrid = true) {
    const [ed, ml] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ml-dsa-65')];
    const ed25519 = rawOf(ed.publicKey, 32);
    this.signer = { name, keys: isHybrid ? { ed25519, 'ml-dsa-65': rawOf(ml.publicKey, 1_952) } : { ed25519 } };
    this.#keys = { ed25519: ed.privateKey, 'ml-dsa-65': ml.privateKey };
  }

  get name(): string {
    return this.signer.name;
  }

  sign(document: Snapshot, algs: readonly SignatureAlgorithm[] = algorithms): SignerSignature[] {
    return algs
      .filter((alg) => this.signer.keys[alg] !== undefined)
      .map((alg) => ({
        signer: this.name,
        alg,
        signature: sign(null, documentBytes(document), this.#keys[alg]).toString('base64url'),
      }));
  }
}

export function listOf(...signers: readonly TestSigner[]): RegistrySigner[] {
  return signers.map(({ signer }) => signer).sort((one, other) => (one.name < other.name ? -1 : 1));
}

export function signedBy(document: Snapshot, ...signers: readonly TestSigner[]): string {
  return encodeSigned({ document, signatures: signers.flatMap((each) => each.sign(document)) });
}

/** The document after `before`, as somebody without a registry would write it. */
export function nextOf(before: Snapshot, blake3: (bytes: Uint8Array) => string, change: Partial<Snapshot> = {}) {
  return { ...before, version: before.version + 1, previous: documentId(before, blake3), ...change };
}

function rawOf(key: KeyObject, bytes: number): string {
  return key.export({ format: 'der', type: 'spki' }).subarray(-bytes).toString('base64url');
}
