import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type KeyId, nodeTenant, parseKeyId } from './key-id.ts';
import { noSuchKey } from './key-ring.ts';

/** What the node uses keys for. Nobody else makes or uses one with such a purpose: a lookup by purpose must not find it. */
const reservedPurposes: ReadonlySet<string> = new Set([
  'audit',
  'audit-witness',
  'capability',
  'identity',
  'kms-proof',
  'names',
  'passport-refresh',
  'policy',
  'registry',
]);

/** Keys by which others know the node: documents of theirs name them, so they are succeeded by agreement and not rotated. */
const standingPurposes: ReadonlySet<string> = new Set(['identity', 'registry']);

/** The parts of a key id that the caller may know of. A foreign one answers as an unknown one does. */
export function seenKey(kid: string, { context }: Call): KeyId {
  const id = parseKeyId(kid);
  if (id === undefined || (context.tenant !== '' && id.tenant !== context.tenant)) throw noSuchKey();
  return id;
}

/** Refuses the node's own keys: a kms administrator is not thereby somebody who can mint capabilities. */
export function usedKey(kid: string, call: Call): KeyId {
  const id = seenKey(kid, call);
  if (isReserved(id)) throw reserved('the node’s own keys do no work for others');
  return id;
}

export function isReserved({ tenant, purpose }: Pick<KeyId, 'tenant' | 'purpose'>): boolean {
  return tenant === nodeTenant || reservedPurposes.has(purpose);
}

/** Refuses what would leave the node unable to sign as who it is known to be. */
export function rotatableKey(kid: string, call: Call): KeyId {
  const id = seenKey(kid, call);
  if (id.tenant === nodeTenant && standingPurposes.has(id.purpose)) throw reserved('others know the node by this key');
  return id;
}

export function reserved(message: string): RonError {
  return new RonError('forbidden', message, { details: { reason: 'reserved' } });
}
