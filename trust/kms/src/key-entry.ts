import type { DestructionStatement, KeyEntry } from '@ron/proto/kms';
import type { Destruction, KeyInfo } from './kms.ts';

/** Keys as the contract shows them. */
export function keyEntry(info: KeyInfo, destruction?: Destruction): KeyEntry {
  const { kid, tenant, purpose, alg, version, state, createdAtMs } = info;
  const entry = { kid, tenant, purpose, alg, version, state, created_at: createdAtMs };
  return destruction === undefined ? entry : { ...entry, destruction: destructionEntry(destruction) };
}

export function destructionEntry(destruction: Destruction): DestructionStatement {
  const { kid, fingerprint, destroyedAtMs, generation, signer, signature } = destruction;
  return { kid, fingerprint, destroyed_at: destroyedAtMs, generation, signer, signature };
}
