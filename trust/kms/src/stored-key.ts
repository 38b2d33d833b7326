import type { Env } from '@ron/kernel';
import { createUuid, formatKeyId, type KeyId } from './key-id.ts';
import { secretBytes } from './key-material.ts';
import type { StoredKey } from './key-ring.ts';
import type { KeyRequest } from './kms.ts';

/** A fresh active version that is not on a ring yet. With `after`: the one that follows it. */
export function createStoredKey(
  request: KeyRequest,
  env: Pick<Env, 'clock' | 'random'>,
  after?: KeyId,
): StoredKey & { readonly secret: Uint8Array } {
  const { tenant, purpose, alg } = request;
  const uuid = after?.uuid ?? createUuid(env.clock, env.random);
  const kid = formatKeyId({ tenant, purpose, alg, uuid, version: (after?.version ?? 0) + 1 });
  return { kid, createdAtMs: env.clock.wallMs(), state: 'active', secret: env.random.bytes(secretBytes) };
}
