import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  type Caveat,
  capabilityTextMax,
  chain,
  type Grant,
  grantAdmits,
  grantOf,
  type Hmac,
  mintToken,
  parseToken,
  type Token,
} from '@ron/cap';
import type { Env } from '@ron/kernel';
import { createUuid, type Kms, parseKeyId } from '@ron/kms';
import type { CapabilityLimits, Right } from '@ron/proto/capability';
import { RonError } from '@ron/proto/errors';
import { LRUCache } from 'lru-cache';
import { principalOf, type VerifiedPrincipal } from './principal.ts';
import { createRevocationList, type RevocationList } from './revocation.ts';

export interface AuthorityOptions {
  readonly kms: Kms;
  readonly env: Pick<Env, 'clock' | 'random'>;
  /** The cluster's name: a capability for another one is refused. */
  readonly audience: string;
  /** Tolerance on `nbf` and `exp`, milliseconds. Default 60,000. */
  readonly clockSkewMs?: number;
  readonly revocations?: RevocationList;
  /** Characters of tokens whose verdicts are kept. Default 8 Mi, some 20,000 tokens of the usual size. */
  readonly cacheCharactersMax?: number;
  /** Why a capability was refused: for the log and counters; the caller is told nothing of it. */
  readonly onRefusal?: (reason: RefusalReason, capabilityId: string | undefined) => void;
}

export type RefusalReason =
  | 'malformed'
  | 'unknown_key'
  | 'wrong_tag'
  | 'wrong_audience'
  | 'unknown_caveat'
  | 'not_yet_valid'
  | 'expired'
  | 'revoked'
  | 'wrong_address';

export interface MintRequest {
  /** Empty or absent: not bound to a tenant. */
  readonly tenant?: string;
  readonly subject: string;
  readonly rights: readonly Right[];
  /** When it expires, milliseconds since the Unix epoch. Absent: never. */
  readonly expiresMs?: number;
  readonly limits?: CapabilityLimits;
}

/** Mints and checks the capabilities of one cluster. */
export interface Authority {
  /** The text form, at most 4,096 characters. Refuses (`bad_request`) what would not fit or verify. */
  mint(request: MintRequest): string;
  /**
   * The text form, its bytes, or the binary form, sent by `remote` (a bare IP address). Throws `unauthenticated`, in
   * the same words whatever the fault. A known token costs under 2 µs, another one some 3 µs a caveat.
   */
  verify(token: string | Uint8Array, caller: { readonly remote: string }): VerifiedPrincipal;
  readonly revocations: RevocationList;
}

/** What root keys are made for; no other key of the keystore can begin a chain. */
const rootKeys = { tenant: 'node', purpose: 'capability', alg: 'hmac' } as const;

interface Verdict {
  readonly token: Token;
  readonly grant: Grant;
  readonly principal: VerifiedPrincipal;
  /** The revocation list's revision at which the token was last found good. */
  revision: number;
}

/** OpenSSL's name of SHA-512/256: docs/decisions/0001-capability-mac.md. */
const hmac: Hmac = (key, message) => createHmac('sha512-256', key).update(message).digest();

/** Makes the root key when the keystore has none. New capabilities use the newest, old ones keep verifying. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { kms } = options;
  const root = kms.listKeys(rootKeys).at(-1) ?? (await kms.createKey(rootKeys));
  return new ChainAuthority(options, root.kid);
}

class ChainAuthority implements Authority {
  readonly revocations: RevocationList;
  readonly #options: AuthorityOptions;
  readonly #rootKid: string;
  readonly #skewMs: number;
  /** By the token's own characters: a hit hashes nothing but the string, once. Refusals are not kept: they cost the cache's room. */
  readonly #verdicts: LRUCache<string, Verdict>;

  constructor(options: AuthorityOptions, rootKid: string) {
    this.#options = options;
    this.#rootKid = rootKid;
    this.#skewMs = options.clockSkewMs ?? 60_000;
    this.revocations = options.revocations ?? createRevocationList(options.env.clock);
    this.#verdicts = new LRUCache({
      maxSize: options.cacheCharactersMax ?? 8 * 1024 * 1024,
      sizeCalculation: (_verdict, key) => key.length,
    });
  }

  mint(request: MintRequest): string {
    const { kms, env, audience } = this.#options;
    const conditions: Caveat[] = [];
    if (request.expiresMs !== undefined) conditions.push({ exp: request.expiresMs });
    if (request.limits !== undefined) conditions.push({ limits: request.limits });
    const identifier = {
      kid: this.#rootKid,
      id: createUuid(env.clock, env.random),
      tenant: request.tenant ?? '',
      subject: request.subject,
      audience,
    };
    return mintToken(identifier, request.rights, conditions, (bytes) => kms.mac(this.#rootKid, bytes), hmac);
  }

  verify(capability: string | Uint8Array, caller: { readonly remote: string }): VerifiedPrincipal {
    if (capability.length > capabilityTextMax) this.#refuse('malformed', undefined);
    // The binary form begins with 0x02, the text with a letter: as characters they never meet in the cache.
    const key = typeof capability === 'string' ? capability : latin1(capability);
    const known = this.#verdicts.get(key);
    const verdict = known ?? this.#examine(capability);
    this.#checkMoment(verdict, caller.remote);
    if (known === undefined) this.#verdicts.set(key, verdict);
    return verdict.principal;
  }

  /** What does not change while the process runs: spelling, tag, audience, caveats. */
  #examine(capability: string | Uint8Array): Verdict {
    const token = this.#parse(capability);
    const { id, kid } = token.identifier;
    const grant = grantOf(token);
    const rootTag = this.#rootTag(kid, token.identifierBytes);
    // The same work with and without a known key, and one answer after all of it.
    const tag = chain(
      rootTag ?? this.#options.kms.mac(this.#rootKid, token.identifierBytes),
      token.caveats.map((caveat) => caveat.bytes),
      hmac,
    );
    const genuine = timingSafeEqual(tag, token.tag);
    if (rootTag === undefined) this.#refuse('unknown_key', undefined);
    if (!genuine) this.#refuse('wrong_tag', undefined);
    if (!grant.audiences.every((audience) => audience === this.#options.audience)) this.#refuse('wrong_audience', id);
    if (!grant.understood) this.#refuse('unknown_caveat', id);
    return { token, grant, principal: principalOf(token, grant), revision: -1 };
  }

  /** What can change between two uses: the time, the caller's address, revocations. */
  #checkMoment(verdict: Verdict, remote: string): void {
    const { grant, token } = verdict;
    const { id } = token.identifier;
    const nowMs = this.#options.env.clock.wallMs();
    if (nowMs < grant.notBeforeMs - this.#skewMs) this.#refuse('not_yet_valid', id);
    if (nowMs >= grant.expiresAtMs + this.#skewMs) this.#refuse('expired', id);
    const { revision } = this.revocations;
    if (verdict.revision !== revision) {
      if (this.revocations.isRevoked(token.identifier)) this.#refuse('revoked', id);
      verdict.revision = revision;
    }
    if (!grantAdmits(grant, remote)) this.#refuse('wrong_address', id);
  }

  /** Undefined for a key that is not in the keystore or was made for something else. */
  #rootTag(kid: string, identifierBytes: Uint8Array): Uint8Array | undefined {
    const id = parseKeyId(kid);
    if (id?.tenant !== rootKeys.tenant || id.purpose !== rootKeys.purpose || id.alg !== rootKeys.alg) return undefined;
    try {
      return this.#options.kms.mac(kid, identifierBytes);
    } catch (error) {
      if (error instanceof RonError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  #parse(capability: string | Uint8Array): Token {
    try {
      // A copy of bytes: a kept verdict must not hold, or change with, the frame that the token came in.
      return parseToken(typeof capability === 'string' ? capability : capability.slice());
    } catch (error) {
      if (error instanceof RonError) this.#refuse('malformed', undefined);
      throw error;
    }
  }

  #refuse(reason: RefusalReason, capabilityId: string | undefined): never {
    this.#options.onRefusal?.(reason, capabilityId);
    throw new RonError('unauthenticated', 'a valid capability is required');
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
