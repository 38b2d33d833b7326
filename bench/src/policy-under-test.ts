import { generateKeyPairSync, sign } from 'node:crypto';
import { type PolicyDocument, type PolicySigner, type SignedPolicy, signPolicy } from '@ron/policy';

export interface BenchSigner {
  readonly listed: PolicySigner;
  sign(bytes: Uint8Array): Uint8Array;
}

export function createPolicySigner(): BenchSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const ed25519 = publicKey.export({ format: 'jwk' }).x!;
  return { listed: { name: 'bench', ed25519 }, sign: (bytes) => sign(null, bytes, privateKey) };
}

/**
 * `heads`: each rule is about a folder of its own. `subjects`: about a subject of its own. `conditions`: each rule's
 * head fits everything, so its condition has to be looked at. None of them ever forbids what the rows ask for.
 */
export type RuleKind = 'heads' | 'subjects' | 'conditions';

export function rulesOf(kind: RuleKind, count: number): string {
  return Array.from({ length: count }, (_, at) => ruleOf(kind, at)).join('\n');
}

function ruleOf(kind: RuleKind, at: number): string {
  if (kind === 'heads') return `forbid(principal,action,resource in Resource::"n/tree-${at}/closed");`;
  if (kind === 'subjects') return `forbid(principal==Subject::"/user-${at}",action,resource in Resource::"n");`;
  return `forbid(principal,action,resource)when{resource.path like "n/tree-${at}/closed*"&&principal.tenant=="t"};`;
}

export function signedRules(signer: BenchSigner, rules: string, nowMs: number): Promise<SignedPolicy> {
  const document: PolicyDocument = {
    type: 'ron-policy',
    version: 1,
    expires_at: nowMs + 3_600_000,
    break_change: true,
    reason: 'a benchmark',
    signers: [signer.listed],
    threshold: 1,
    rules,
  };
  return signPolicy(document, signer.listed.name, { ed25519: signer.sign });
}
