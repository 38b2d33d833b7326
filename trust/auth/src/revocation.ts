import { type Identifier, mintedAtMs } from '@ron/cap';
import type { Clock } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

/**
 * Capabilities that are void although their tags are right. Takes effect with the next verification: cached verdicts
 * notice that `revision` has moved. A revocation is never dropped to make room; past 100,000 of a kind the list
 * refuses (`insufficient_storage`), and the way out is to revoke the key.
 */
export interface RevocationList {
  /** Grows with every revocation. */
  readonly revision: number;
  isRevoked(identifier: Identifier): boolean;
  /** Voids one capability and everything attenuated from it. Kept until `untilMs`, when it has expired anyway. */
  revokeCapability(id: string, untilMs?: number): void;
  /** Voids what was minted for a subject up to and including `mintedUntilMs` (Unix epoch). */
  revokeSubject(tenant: string, subject: string, mintedUntilMs: number): void;
  /** Voids everything that one version of a root key has minted: the end of an epoch. */
  revokeKey(kid: string): void;
}

export const revocationsMax = 100_000;

/** In memory: after a restart only what the operator or a feed revokes again is revoked. */
export function createRevocationList(clock: Clock, entriesMax = revocationsMax): RevocationList {
  const capabilities = new Map<string, number>();
  const subjects = new Map<string, number>();
  const keys = new Set<string>();
  let revision = 0;
  // An array as text: no separator that a subject could contain.
  const subjectKey = (tenant: string, subject: string) => JSON.stringify([tenant, subject]);

  function makeRoom(size: number): void {
    if (size >= entriesMax) {
      throw new RonError('insufficient_storage', `at most ${entriesMax} revocations of a kind: revoke the key instead`);
    }
  }

  return {
    get revision() {
      return revision;
    },
    isRevoked({ id, tenant, subject, kid }) {
      if (revision === 0) return false;
      if (capabilities.has(id) || keys.has(kid)) return true;
      const mintedUntilMs = subjects.get(subjectKey(tenant, subject));
      return mintedUntilMs !== undefined && mintedAtMs(id) <= mintedUntilMs;
    },
    revokeCapability(id, untilMs = Infinity) {
      if (!capabilities.has(id) && capabilities.size >= entriesMax) {
        const nowMs = clock.wallMs();
        for (const [old, endMs] of capabilities) if (endMs <= nowMs) capabilities.delete(old);
        makeRoom(capabilities.size);
      }
      capabilities.set(id, Math.max(untilMs, capabilities.get(id) ?? 0));
      revision += 1;
    },
    revokeSubject(tenant, subject, mintedUntilMs) {
      const key = subjectKey(tenant, subject);
      const before = subjects.get(key);
      if (before === undefined) makeRoom(subjects.size);
      subjects.set(key, Math.max(mintedUntilMs, before ?? 0));
      revision += 1;
    },
    revokeKey(kid) {
      if (!keys.has(kid)) makeRoom(keys.size);
      keys.add(kid);
      revision += 1;
    },
  };
}
