import { generateKeyPairSync, sign } from 'node:crypto';
import { encodeSigned } from '@ron/signed';
import { type PolicyDocument, type PolicySigner, policyType } from '../document.ts';
import { addSignature, type SignedPolicy, type SignerKeys } from '../signing.ts';

/** Somebody with keys of their own. */
export interface TestSigner {
  readonly name: string;
  readonly keys: SignerKeys;
  readonly listed: PolicySigner;
}

export function createSigner(name: string, hybrid = false): TestSigner {
  const first = generateKeyPairSync('ed25519');
  const second = hybrid ? generateKeyPairSync('ml-dsa-65') : undefined;
  const raw = (key: typeof first.publicKey, bytes: number) =>
    key.export({ type: 'spki', format: 'der' }).subarray(-bytes).toString('base64url');
  return {
    name,
    keys: {
      ed25519: (bytes) => sign(null, bytes, first.privateKey),
      ...(second === undefined ? {} : { 'ml-dsa-65': (bytes) => sign(null, bytes, second.privateKey) }),
    },
    listed: {
      name,
      ed25519: raw(first.publicKey, 32),
      ...(second === undefined ? {} : { ml_dsa_65: raw(second.publicKey, 1_952) }),
    },
  };
}

export const dayMs = 86_400_000;
export const startMs = 1_764_000_000_000;

/** Three who sign, two of whom are enough; the third has both keys. */
export const signers = [createSigner('ann'), createSigner('ben'), createSigner('cy', true)] as const;
export const [ann, ben, cy] = signers;

export function policyOf(fields: Partial<PolicyDocument> = {}): PolicyDocument {
  return {
    type: policyType,
    version: 1,
    issued_at: startMs - 1_000,
    expires_at: startMs + 30 * dayMs,
    signers: signers.map(({ listed }) => listed),
    threshold: 2,
    ...fields,
  };
}

export async function signedBy(document: PolicyDocument, ...by: readonly TestSigner[]): Promise<SignedPolicy> {
  let signed: SignedPolicy = { document, signatures: [] };
  for (const { name, keys } of by) signed = await addSignature(signed, name, keys);
  return signed;
}

export async function textBy(document: PolicyDocument, ...by: readonly TestSigner[]): Promise<string> {
  return encodeSigned(await signedBy(document, ...by));
}
