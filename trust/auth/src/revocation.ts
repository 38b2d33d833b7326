import { type Identifier, mintedAtMs } from '@ron/cap';
import type { Clock } from '@ron/kernel';
import type { RevocationEntry } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';

/**
 * Capabilities that are void although their chains are right. Takes effect with the next verification: cached verdicts
 * notice that `revision` has moved. A revocation is never dropped to make room; past 100,000 of a kind the list
 * refuses (`insufficient_storage`), and the way out is to revoke the key.
 *
 * `untilMs` is when nothing is left to revoke, because all of it has expired. The list waits two minutes more, for the
 * skew that `exp` is allowed and for clocks that differ.
 */
export interface RevocationList {
  /** Grows with every revocation. */
  readonly revision: number;
  isRevoked(identifier: Identifier): boolean;
  /** Voids one capability and everything attenuated from it. */
  revokeCapability(id: string, untilMs?: number): void;
  /** Voids what was minted for a subject up to and including `mintedUntilMs` (Unix epoch). */
  revokeSubject(tenant: string, subject: string, mintedUntilMs: number, untilMs?: number): void;
  /** Voids everything that one version of a root key has minted: the end of an epoch. */
  revokeKey(kid: string, untilMs?: number): void;
}

export const revocationsMax = 100_000;
const forgetAfterMs = 120_000;

/** In memory: after a restart only what the operator or a feed revokes again is revoked. */
export function createRevocationList(clock: Clock, entriesMax = revocationsMax): RevocationList {
  const capabilities = new Entries(clock, entriesMax);
  const subjects = new Entries(clock, entriesMax);
  const keys = new Entries(clock, entriesMax);
  let revision = 0;
  // An array as text: no separator that a subject could contain.
  const subjectKey = (tenant: string, subject: string) => JSON.stringify([tenant, subject]);

  return {
    get revision() {
      return revision;
    },
    isRevoked({ id, tenant, subject, kid }) {
      if (revision === 0) return false;
      if (capabilities.get(id) !== undefined || keys.get(kid) !== undefined) return true;
      const mintedUntilMs = subjects.get(subjectKey(tenant, subject));
      return mintedUntilMs !== undefined && mintedAtMs(id) <= mintedUntilMs;
    },
    revokeCapability(id, untilMs) {
      capabilities.add(id, 0, untilMs);
      revision += 1;
    },
    revokeSubject(tenant, subject, mintedUntilMs, untilMs) {
      subjects.add(subjectKey(tenant, subject), mintedUntilMs, untilMs);
      revision += 1;
    },
    revokeKey(kid, untilMs) {
      keys.add(kid, 0, untilMs);
      revision += 1;
    },
  };
}

/** Puts one entry of a feed in force. */
export function applyRevocation(list: RevocationList, entry: RevocationEntry): void {
  switch (entry.kind) {
    case 'capability':
      list.revokeCapability(entry.id, entry.until);
      break;
    case 'subject':
      list.revokeSubject(entry.tenant, entry.subject, entry.minted_until, entry.until);
      break;
    case 'key':
      list.revokeKey(entry.kid, entry.until);
      break;
  }
}

/** One kind of revocation. What is added twice keeps the later of both times. */
class Entries {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #entries = new Map<string, { readonly mintedUntilMs: number; readonly untilMs: number }>();

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get(key: string): number | undefined {
    return this.#entries.get(key)?.mintedUntilMs;
  }

  add(key: string, mintedUntilMs: number, untilMs = Infinity): void {
    const before = this.#entries.get(key);
    if (before === undefined && this.#entries.size >= this.#max) this.#makeRoom();
    this.#entries.set(key, {
      mintedUntilMs: Math.max(mintedUntilMs, before?.mintedUntilMs ?? 0),
      untilMs: Math.max(untilMs, before?.untilMs ?? 0),
    });
  }

  #makeRoom(): void {
    const endMs = this.#clock.wallMs() - forgetAfterMs;
    for (const [key, { untilMs }] of this.#entries) if (untilMs <= endMs) this.#entries.delete(key);
    if (this.#entries.size < this.#max) return;
    throw new RonError('insufficient_storage', `at most ${this.#max} revocations of a kind: revoke the key instead`);
  }
}
