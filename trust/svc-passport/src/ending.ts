import { mintedAtMs } from '@ron/cap';
import type { Draft } from './store/draft.ts';
import { type Family, revocationsHeldMax } from './store/records.ts';

/**
 * How long after its expiry a capability still counts as one that may be used: verifiers tolerate 60 s, and the clocks
 * of nodes differ.
 */
export const keptAfterExpiryMs = 300_000;

export function mayBeUsed(expiresAtMs: number, nowMs: number): boolean {
  return expiresAtMs + keptAfterExpiryMs > nowMs;
}

/** When the newest capability of the families was minted, or now: a clock may have been set back since. */
export function newestMs(families: readonly Family[], nowMs: number): number {
  const minted = families.flatMap(({ capabilities }) => capabilities.map(({ id }) => mintedAtMs(id)));
  return minted.reduce((latest, atMs) => Math.max(latest, atMs), nowMs);
}

/**
 * No refresh any more, and every capability that may still be in use is revoked: one by one, or, when there are more
 * revocations than verifiers hold, the whole subject by one entry. Too much, rather than a family that cannot be ended.
 */
export function endFamily(draft: Draft, family: Family, nowMs: number): void {
  const { id: familyId, tenant, subject, capabilities } = family;
  draft.dropFamily(familyId);
  const live = capabilities.filter(({ expiresAtMs }) => mayBeUsed(expiresAtMs, nowMs));
  if (draft.meta.revocations + live.length > revocationsHeldMax) {
    draft.revoke({ kind: 'subject', tenant, subject, minted_until: newestMs([family], nowMs) });
    return;
  }
  for (const { id, expiresAtMs } of live) draft.revoke({ kind: 'capability', id, until: expiresAtMs });
}
