import type { Authority } from '@ron/auth';
import { mintedAtMs } from '@ron/cap';
import { type Counter, type Env, sleep } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import type { CapabilityLimits, Right } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import { type Passport, type Profile, passportLimits } from '@ron/proto/passport';
import type { PassportConfig } from './config.ts';
import { mayBeUsed } from './ending.ts';
import { createFamilyId, createRefreshToken, hashOf } from './refresh-token.ts';
import type { Draft } from './store/draft.ts';
import type { PassportStore } from './store/passport-store.ts';
import type { Family, SubjectRecord } from './store/records.ts';

export interface PassportRequest {
  readonly subject: string;
  readonly tenant: string;
  readonly kind: Profile['kind'];
  readonly rights: readonly Right[];
  readonly limits?: CapabilityLimits | undefined;
  readonly ttlS?: number | undefined;
  readonly scheme?: 'hmac' | 'ed25519' | undefined;
  /** Of the holder: every use needs a proof made with it. */
  readonly key?: string | undefined;
  readonly displayName?: string | undefined;
  readonly keys?: readonly string[] | undefined;
  readonly issuedBy: string;
}

export interface IssuerPorts {
  readonly authority: Authority;
  readonly kms: Kms;
  readonly store: PassportStore;
  readonly env: Pick<Env, 'clock' | 'random' | 'work'>;
  /** Of the key that new families' refresh tokens are tagged with. */
  readonly refreshKid: () => string;
  readonly config: () => Readonly<PassportConfig>;
  /** `passport_issued_total`. */
  readonly issued: Pick<Counter, 'inc'>;
}

/** What a family's next capability and refresh token look like, before anybody may have them. */
export interface Minted {
  readonly passport: Passport;
  readonly family: Family;
}

/** A revocation of the subject ends within this, or the caller is told to come back: clocks can jump. */
const waitMsMax = 1_000;

/** Makes passports. Nothing leaves it that is not on stable storage. */
export class Issuer {
  readonly #ports: IssuerPorts;

  constructor(ports: IssuerPorts) {
    this.#ports = ports;
  }

  /**
   * A new family. `also` is part of the same transaction; what it throws leaves everything as it was.
   *
   * @throws RonError `bad_request`, `insufficient_storage`, `unavailable`
   */
  async issue(request: PassportRequest, also: (draft: Draft) => void = nothingElse): Promise<Passport> {
    const { env, store, config } = this.#ports;
    const { families_max, refresh_ttl_s } = config();
    await this.awaitYounger(request.tenant, request.subject);
    if (store.meta.families >= families_max) await store.sweep(env.clock.wallMs());
    const nowMs = env.clock.wallMs();
    const { passport, family } = await this.mint({
      ...familyOf(request, this.#ttlOf(request.ttlS)),
      id: createFamilyId(env.random),
      refreshKid: this.#ports.refreshKid(),
      generation: 0,
      current: '',
      createdAtMs: nowMs,
      expiresAtMs: nowMs + refresh_ttl_s * 1_000,
      capabilities: [],
    });
    await store.transact((draft) => {
      also(draft);
      if (draft.meta.families >= families_max) throw full(`at most ${families_max} passports`);
      this.#putSubject(draft, request, passport);
      draft.putFamily(family);
    });
    this.#ports.issued.inc();
    return passport;
  }

  /** The family's next generation. Nobody may see it before the store holds it. */
  async mint(family: Family): Promise<Minted> {
    const { authority, env, kms } = this.#ports;
    const { subject, tenant, rights, limits, scheme, key } = family;
    const nowMs = env.clock.wallMs();
    const expiresAtMs = Math.min(nowMs + family.ttlS * 1_000, family.expiresAtMs);
    const { token: capability, id } = await authority.issue({
      tenant,
      subject,
      rights,
      expiresMs: expiresAtMs,
      ...(limits === undefined ? {} : { limits }),
      ...(scheme === undefined ? {} : { scheme }),
      ...(key === undefined ? {} : { key }),
    });
    const generation = family.generation + 1;
    const refresh = createRefreshToken(
      { kms, random: env.random },
      { family: family.id, generation, kid: family.refreshKid },
    );
    const live = family.capabilities.filter((each) => mayBeUsed(each.expiresAtMs, nowMs));
    return {
      passport: {
        capability,
        capability_id: id,
        refresh_token: refresh,
        subject,
        tenant,
        family: family.id,
        expires_at: expiresAtMs,
        refresh_expires_at: family.expiresAtMs,
      },
      family: {
        ...family,
        generation,
        current: hashOf(env.work, refresh),
        capabilities: [...live, { id, expiresAtMs }],
      },
    };
  }

  /** Capabilities carry the millisecond of their making, and a revoked subject's next one must lie after the revocation's. */
  async awaitYounger(tenant: string, subject: string): Promise<void> {
    const { env, store } = this.#ports;
    const waitMs = store.revokedUntilMs(tenant, subject) + 1 - env.clock.wallMs();
    if (waitMs <= 0) return;
    if (waitMs > waitMsMax) throw tooYoung(waitMs);
    await sleep(env.clock, waitMs);
  }

  /** @throws RonError `bad_request` past the configured maximum: a clamped life would surprise its holder. */
  #ttlOf(asked: number | undefined): number {
    const { ttl_default_s, ttl_max_s } = this.#ports.config();
    const ttlS = asked ?? Math.min(ttl_default_s, ttl_max_s);
    if (ttlS <= Math.min(ttl_max_s, passportLimits.ttlSMax)) return ttlS;
    throw new RonError('bad_request', `ttl_s is at most ${ttl_max_s} seconds`, {
      details: { field: 'ttl_s', reason: 'ttl', max: ttl_max_s },
    });
  }

  #putSubject(draft: Draft, request: PassportRequest, { capability_id }: Passport): void {
    const { subject, tenant, kind, displayName, keys } = request;
    const { subjects_max } = this.#ports.config();
    const before = draft.subject(tenant, subject);
    if (before === undefined && draft.meta.subjects >= subjects_max) throw full(`at most ${subjects_max} subjects`);
    // Revoked between the minting and now: it would be void, and its family alive.
    if (draft.revokedUntilMs(tenant, subject) >= mintedAtMs(capability_id)) throw tooYoung(1);
    const display = displayName ?? before?.profile.display_name;
    const next: SubjectRecord = {
      profile: {
        subject,
        tenant,
        kind,
        ...(display === undefined ? {} : { display_name: display }),
        keys: [...(keys ?? before?.profile.keys ?? [])],
        created_at: before?.profile.created_at ?? this.#ports.env.clock.wallMs(),
      },
    };
    draft.putSubject(next);
  }
}

type FamilyBasis = Pick<Family, 'subject' | 'tenant' | 'rights' | 'limits' | 'ttlS' | 'scheme' | 'key' | 'issuedBy'>;

function familyOf({ subject, tenant, rights, limits, scheme, key, issuedBy }: PassportRequest, ttlS: number) {
  return {
    subject,
    tenant,
    rights,
    ttlS,
    issuedBy,
    ...(limits === undefined ? {} : { limits }),
    ...(scheme === undefined ? {} : { scheme }),
    ...(key === undefined ? {} : { key }),
  } satisfies FamilyBasis;
}

function full(what: string): RonError {
  return new RonError('insufficient_storage', `the node holds ${what}`);
}

function tooYoung(waitMs: number): RonError {
  return new RonError('unavailable', 'the subject was revoked at this moment', { retryAfterMs: waitMs });
}

function nothingElse(): void {
  // The passport is the whole transaction.
}
