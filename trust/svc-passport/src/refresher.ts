import type { Counter, Env, Log } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import { RonError } from '@ron/proto/errors';
import { type Passport, passportLimits } from '@ron/proto/passport';
import type { Answers } from './answers.ts';
import { endFamily, keptAfterExpiryMs, mayBeUsed } from './ending.ts';
import type { Issuer } from './issuer.ts';
import { hashOf, isGenuine, type RefreshClaim, readRefreshToken, sameHash } from './refresh-token.ts';
import type { Draft } from './store/draft.ts';
import type { PassportStore } from './store/passport-store.ts';
import type { Family } from './store/records.ts';

export interface RefresherPorts {
  readonly answers: Answers<Passport>;
  readonly issuer: Issuer;
  readonly store: PassportStore;
  readonly kms: Kms;
  readonly env: Pick<Env, 'clock' | 'work'>;
  /** `passport_issued_total`. */
  readonly issued: Pick<Counter, 'inc'>;
  /** `passport_refresh_reuse_total`. */
  readonly reuses: Pick<Counter, 'inc'>;
  readonly log: Log;
  readonly ttlMaxS: () => number;
}

/** What the transaction found: the family as it was to be, or why not. */
type Outcome = 'rotated' | 'gone' | 'reused';

/**
 * Rotation: a refresh token works once. Whoever brings a used one is a thief or was robbed, and nobody can tell which:
 * the family ends with everything that it minted. The caller always hears the same words; the log and a counter know.
 */
export class Refresher {
  readonly #ports: RefresherPorts;

  constructor(ports: RefresherPorts) {
    this.#ports = ports;
  }

  /**
   * @param idempotencyKey with it, a repeat within 30 s gets the same answer while its refresh token is still the
   * family's current one.
   * @throws RonError `unauthenticated`, `quota_exhausted`, `insufficient_storage`, `unavailable`
   */
  refresh(token: string, caller: string, idempotencyKey: string | undefined, corrId: string): Promise<Passport> {
    const hash = hashOf(this.#ports.env.work, token);
    return this.#ports.answers.once(
      ['refresh', caller, hash, idempotencyKey],
      hash,
      () => this.#rotate(token, hash, corrId),
      (passport) => this.#isCurrent(passport),
    );
  }

  #isCurrent({ family, refresh_token }: Passport): boolean {
    const { store, env } = this.#ports;
    return store.family(family)?.current === hashOf(env.work, refresh_token);
  }

  async #rotate(token: string, hash: string, corrId: string): Promise<Passport> {
    const { env, issuer, store } = this.#ports;
    const claim = readRefreshToken(token);
    const family = claim === undefined ? undefined : this.#familyOf(claim);
    if (family === undefined || family.expiresAtMs <= env.clock.wallMs()) throw refused();
    if (!sameHash(family.current, hash)) {
      throw refused(await this.#reused(family.id, hash, corrId));
    }
    this.#refuseFlood(family);
    await issuer.awaitYounger(family.tenant, family.subject);
    const minted = await issuer.mint({ ...family, ttlS: Math.min(family.ttlS, this.#ports.ttlMaxS()) });
    const outcome = await store.transact((draft) => {
      const found = this.#compare(draft, family.id, hash);
      // The order of two refreshes is the store's: the second finds the token used.
      if (found === 'rotated') draft.putFamily({ ...minted.family, ttlS: family.ttlS });
      return found;
    });
    if (outcome === 'reused') this.#note(family.id, corrId);
    if (outcome !== 'rotated') throw refused(outcome);
    this.#ports.issued.inc();
    return minted.passport;
  }

  async #reused(id: string, hash: string, corrId: string): Promise<Outcome> {
    const outcome = await this.#ports.store.transact((draft) => this.#compare(draft, id, hash), { urgent: true });
    if (outcome === 'reused') this.#note(id, corrId);
    return outcome;
  }

  /** Ends the family, in the transaction, when the token is not its current one. */
  #compare(draft: Draft, id: string, hash: string): Outcome {
    const family = draft.family(id);
    if (family === undefined) return 'gone';
    if (sameHash(family.current, hash)) return 'rotated';
    endFamily(draft, family, this.#ports.env.clock.wallMs());
    return 'reused';
  }

  #note(family: string, corrId: string): void {
    this.#ports.reuses.inc();
    this.#ports.log.warn({ family, corr_id: corrId }, 'a used refresh token came again: its family is revoked');
  }

  /** Undefined for a family that is not here, and for a token that this node has not made. */
  #familyOf(claim: RefreshClaim): Family | undefined {
    const family = this.#ports.store.family(claim.family);
    return family !== undefined && isGenuine(this.#ports.kms, family.refreshKid, claim) ? family : undefined;
  }

  #refuseFlood({ capabilities }: Family): void {
    const nowMs = this.#ports.env.clock.wallMs();
    const live = capabilities.map(({ expiresAtMs }) => expiresAtMs).filter((atMs) => mayBeUsed(atMs, nowMs));
    if (live.length < passportLimits.familyCapabilitiesMax) return;
    throw new RonError('quota_exhausted', `at most ${passportLimits.familyCapabilitiesMax} capabilities at a time`, {
      retryAfterMs: Math.min(...live) + keptAfterExpiryMs - nowMs,
    });
  }
}

/** The same words whatever the fault. That a family ended by it is told to the audit log alone. */
function refused(outcome?: Outcome): RonError {
  const reuse = outcome === 'reused' ? { auditReason: 'reuse' } : {};
  return new RonError('unauthenticated', 'a valid refresh token is required', reuse);
}
