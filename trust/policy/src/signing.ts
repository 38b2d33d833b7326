import { verifyRaw } from '@ron/kms';
import { addressFromHash } from '@ron/naming';
import { documentBytes, documentId, type SignedDocument, type ThresholdRule, type VerifySignature } from '@ron/signed';
import type { PolicyDocument } from './document.ts';

export type SignedPolicy = SignedDocument<PolicyDocument>;

/** What makes raw signatures: a KMS, a file of a key, a token. Each answers 64 or 3,309 bytes. */
export interface SignerKeys {
  readonly ed25519: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  readonly 'ml-dsa-65'?: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;
}

/** The document with the first signer's signatures; further signers use `addSignature`. */
export function signPolicy(document: PolicyDocument, signer: string, keys: SignerKeys): Promise<SignedPolicy> {
  return addSignature({ document, signatures: [] }, signer, keys);
}

/** Signatures that this signer gave before are replaced. */
export async function addSignature(signed: SignedPolicy, signer: string, keys: SignerKeys): Promise<SignedPolicy> {
  const message = documentBytes(signed.document);
  const own = (['ed25519', 'ml-dsa-65'] as const).map(async (alg) => {
    const bytes = await keys[alg]?.(message);
    return bytes === undefined ? [] : [{ signer, alg, signature: Buffer.from(bytes).toString('base64url') }];
  });
  const others = signed.signatures.filter((each) => each.signer !== signer);
  return { document: signed.document, signatures: [...others, ...(await Promise.all(own)).flat()] };
}

/** The id of a policy: the address of its canonical JSON, whoever signed it. */
export function policyId(document: PolicyDocument, blake3: (bytes: Uint8Array) => Uint8Array): string {
  return documentId(document, (bytes) => addressFromHash(blake3(bytes)));
}

/** Who decides about what follows a document. */
export function ruleOf({ signers, threshold }: Pick<PolicyDocument, 'signers' | 'threshold'>): ThresholdRule {
  return {
    threshold,
    signers: signers.map(({ name, ed25519, ml_dsa_65 }) => ({
      name,
      keys: { ed25519, ...(ml_dsa_65 === undefined ? {} : { 'ml-dsa-65': ml_dsa_65 }) },
    })),
  };
}

/** OpenSSL's own verification from a raw public key. False for what is malformed. */
export const verifyWithNode: VerifySignature = verifyRaw;
