import { sign } from 'node:crypto';
import type { Env } from '@ron/kernel';
import { addressFromHash, canonicalJson } from '@ron/naming';
import { nodeTenant } from './key-id.ts';
import { identifyingBytes, importKey } from './key-material.ts';
import type { HeldKey, KeyRing, RingChange, StoredKey } from './key-ring.ts';
import type { Destruction } from './kms.ts';
import { createStoredKey } from './stored-key.ts';

/** The key that signs statements of destruction: `node`'s, made with the first of them. */
const proofKeys = { tenant: nodeTenant, purpose: 'kms-proof', alg: 'ed25519' } as const;

/**
 * The signed bytes: canonical JSON (RFC 8785) of the statement with its type and without the signature. Anyone with the
 * signer's public key checks them: `verify(null, destructionStatement(d), publicKey, signature)`.
 */
export function destructionStatement(destruction: Omit<Destruction, 'signature'>): Uint8Array {
  const { kid, fingerprint, destroyedAtMs, generation, signer } = destruction;
  const text = canonicalJson({
    type: 'ron-kms/destruction/v1',
    kid,
    fingerprint,
    destroyed_at: destroyedAtMs,
    generation,
    signer,
  });
  return new TextEncoder().encode(text);
}

/** Destroys a version; makes a proof key when there is none, or when the only one is what is destroyed. */
export function planDestruction(
  ring: KeyRing,
  held: HeldKey,
  env: Pick<Env, 'clock' | 'random' | 'work'>,
): RingChange & { readonly destroyed: Destruction } {
  const { kid, alg } = held.info;
  if (held.material === undefined) throw new Error('the secret is gone already');
  const { signer, key, added } = proofKey(ring, kid, env);
  const statement = {
    kid,
    fingerprint: addressFromHash(env.work.blake3(identifyingBytes(alg, held.material))),
    destroyedAtMs: env.clock.wallMs(),
    generation: ring.generation + 1,
    signer,
  };
  const signature = sign(null, destructionStatement(statement), key).toString('base64url');
  return { added, destroyed: { ...statement, signature } };
}

function proofKey(ring: KeyRing, not: string, env: Pick<Env, 'clock' | 'random'>) {
  const known = ring.list({ ...proofKeys, state: 'active' }).filter((info) => info.kid !== not);
  const signer = known.at(-1)?.kid;
  if (signer !== undefined) return { signer, key: ring.making(signer, ['ed25519']).key, added: [] };
  ring.refuseWhenFull(proofKeys.tenant);
  const made: StoredKey & { readonly secret: Uint8Array } = createStoredKey(proofKeys, env);
  return { signer: made.kid, key: importKey('ed25519', made.secret).key, added: [made] };
}
