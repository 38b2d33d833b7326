import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { documentBytes, documentId, encodeSigned, type SignatureAlgorithm, type SignerSignature } from '@ron/signed';

export interface TypedDocument {
  readonly type: string;
}

/** Somebody who signs policies and registry snapshots, outside of the node. */
export interface DocumentSigner {
  readonly name: string;
  /** Raw public keys, base64url. */
  readonly keys: { readonly ed25519: string; readonly 'ml-dsa-65'?: string };
  sign(document: TypedDocument, algs?: readonly SignatureAlgorithm[]): SignerSignature[];
}

export function createSigner(name: string, hybrid = false): DocumentSigner {
  const ed = generateKeyPairSync('ed25519');
  const ml = hybrid ? generateKeyPairSync('ml-dsa-65') : undefined;
  const raw = (key: KeyObject, bytes: number) =>
    key.export({ format: 'der', type: 'spki' }).subarray(-bytes).toString('base64url');
  const secrets: Partial<Record<SignatureAlgorithm, KeyObject>> = {
    ed25519: ed.privateKey,
    ...(ml === undefined ? {} : { 'ml-dsa-65': ml.privateKey }),
  };
  return {
    name,
    keys: {
      ed25519: raw(ed.publicKey, 32),
      ...(ml === undefined ? {} : { 'ml-dsa-65': raw(ml.publicKey, 1_952) }),
    },
    sign: (document, algs = ['ed25519', 'ml-dsa-65']) =>
      algs
        .filter((alg) => secrets[alg] !== undefined)
        .map((alg) => ({
          signer: name,
          alg,
          signature: sign(null, documentBytes(document), secrets[alg]!).toString('base64url'),
        })),
  };
}

export const idOf = (document: TypedDocument) => documentId(document, (bytes) => addressFromHash(hash(bytes)));

export const signedText = (document: TypedDocument, signatures: readonly SignerSignature[]) =>
  encodeSigned({ document, signatures });

export const signedBy = (document: TypedDocument, ...by: readonly DocumentSigner[]) =>
  signedText(
    document,
    by.flatMap((each) => each.sign(document)),
  );
