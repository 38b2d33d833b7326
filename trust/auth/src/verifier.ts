import {
  type Claims,
  capabilityTextMax,
  decodeHolderKey,
  type Grant,
  grantAdmits,
  grantOf,
  type Scheme,
  type Spelling,
  spellingOf,
} from '@ron/cap';
import type { Env } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';
import { LRUCache } from 'lru-cache';
import type { ChainExaminer } from './chain-examiner.ts';
import type { Examined } from './chains.ts';
import { publicKeyOf } from './ed25519.ts';
import { principalOf, type VerifiedPrincipal } from './principal.ts';
import { type Possession, ProofCheck, type ProofFault } from './proof-check.ts';
import { createRevocationList, type RevocationList } from './revocation.ts';
import type { Strangers } from './strangers.ts';

export interface VerifierOptions {
  readonly env: Pick<Env, 'clock' | 'random' | 'work'>;
  /** The cluster's name: a capability for another one is refused. */
  readonly audience: string;
  /** Tolerance on `nbf` and `exp`, milliseconds. Default 60,000. */
  readonly clockSkewMs?: number;
  readonly revocations?: RevocationList;
  /** Characters of tokens whose verdicts are kept. Default 8 Mi, some 20,000 tokens of the usual size. */
  readonly cacheCharactersMax?: number;
  /** Nonces of proofs that are remembered; half of them for one subject. Default 100,000. */
  readonly noncesMax?: number;
  /** Bounds the work for tokens whose verdict is not kept. Absent: there is no bound. */
  readonly strangers?: Strangers;
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
  | 'wrong_address'
  | ProofFault;

/** Who sends a capability, and with what. */
export interface Presentation {
  /** A bare IP address. */
  readonly remote: string;
  /** For a capability that is bound to a key: the proof's text, and the request as the proof names it. */
  readonly proof?: string | undefined;
  readonly request?: string | undefined;
}

/** Checks the capabilities of one cluster. */
export interface Verifier {
  /**
   * The text form, its bytes, or the binary form. Throws `unauthenticated`, in the same words whatever the fault, and for
   * a token that is not known what `Strangers` throws. A
   * known token costs under 2 µs (and a signature check when it is bound to a key), another HMAC chain some 3 µs a
   * caveat, another Ed25519 chain some 0.1 ms a block. A promise only while the first Ed25519 chain's library loads.
   */
  verify(token: string | Uint8Array, caller: Presentation): VerifiedPrincipal | Promise<VerifiedPrincipal>;
  readonly revocations: RevocationList;
}

interface Verdict {
  readonly scheme: Scheme;
  readonly claims: Claims;
  readonly grant: Grant;
  readonly principal: VerifiedPrincipal;
  /** Of a token that is bound to a key. */
  readonly binding: Pick<Possession, 'holder' | 'key' | 'tokenHash' | 'owner'> | undefined;
  /** The revocation list's revision and the keystore's generation at which the token was last found good. */
  revision: number;
  generation: number;
}

/** `chains` answers whether a token is genuine; everything else that a token says is judged here. */
export function createVerifier(chains: ChainExaminer, options: VerifierOptions): Verifier {
  return new TokenVerifier(chains, options);
}

class TokenVerifier implements Verifier {
  readonly revocations: RevocationList;
  readonly #options: VerifierOptions;
  readonly #chains: ChainExaminer;
  readonly #skewMs: number;
  readonly #proofs: ProofCheck;
  /** By the token's own characters: a hit hashes nothing but the string, once. Refusals are not kept: they cost the cache's room. */
  readonly #verdicts: LRUCache<string, Verdict>;

  constructor(chains: ChainExaminer, options: VerifierOptions) {
    this.#options = options;
    this.#chains = chains;
    this.#skewMs = options.clockSkewMs ?? 60_000;
    this.#proofs = new ProofCheck(options.env.clock, options.noncesMax);
    this.revocations = options.revocations ?? createRevocationList(options.env.clock);
    this.#verdicts = new LRUCache({
      maxSize: options.cacheCharactersMax ?? 8 * 1024 * 1024,
      sizeCalculation: (_verdict, key) => key.length,
    });
  }

  verify(capability: string | Uint8Array, caller: Presentation): VerifiedPrincipal | Promise<VerifiedPrincipal> {
    if (capability.length > capabilityTextMax) this.#refuse('malformed', undefined);
    // Binary forms begin with a control character, texts with a letter: as characters they never meet in the cache.
    const key = typeof capability === 'string' ? capability : latin1(capability);
    const known = this.#verdicts.get(key);
    if (known !== undefined) return this.#admit(known, caller);
    const { strangers, env } = this.#options;
    strangers?.check(caller.remote);
    const startMs = env.clock.monotonicMs();
    let failed = false;
    const onFailure = (error: unknown): never => {
      if (error instanceof RonError && error.code === 'unauthenticated') strangers?.spent(caller.remote, 0, true);
      throw error;
    };
    try {
      const spelling = this.#spelling(capability);
      const examined = this.#readable(() => this.#chains.examine(spelling));
      const conclude = (result: Examined) => {
        const verdict = this.#judge(result, spelling);
        const principal = this.#admit(verdict, caller);
        this.#verdicts.set(key, verdict);
        return principal;
      };
      // Until a library is loaded, or while another process is asked: nobody works for it here, so only who fails pays.
      return examined instanceof Promise ? examined.then(conclude).catch(onFailure) : conclude(examined);
    } catch (error) {
      // Any other error is this node's own.
      failed = error instanceof RonError && error.code === 'unauthenticated';
      throw error;
    } finally {
      strangers?.spent(caller.remote, env.clock.monotonicMs() - startMs, failed);
    }
  }

  /** What does not change while the process runs: chain, audience, caveats. */
  #judge({ claims, fault }: Examined, { scheme, bytes }: Spelling): Verdict {
    const { id } = claims.identifier;
    const grant = grantOf(claims);
    if (fault !== undefined) this.#refuse(fault, undefined);
    if (!grant.audiences.every((audience) => audience === this.#options.audience)) this.#refuse('wrong_audience', id);
    if (!grant.understood) this.#refuse('unknown_caveat', id);
    const binding = this.#bindingOf(claims, grant, bytes);
    return { scheme, claims, grant, principal: principalOf(claims, grant), binding, revision: -1, generation: -1 };
  }

  #bindingOf({ identifier }: Claims, { key }: Grant, bytes: Uint8Array): Verdict['binding'] {
    if (key === undefined) return undefined;
    const { work } = this.#options.env;
    const owner = JSON.stringify([identifier.tenant, identifier.subject]);
    return { holder: key, key: publicKeyOf(decodeHolderKey(key)!), tokenHash: work.blake3(bytes), owner };
  }

  /** What can change between two uses: the time, revocations, the caller's address, the proof. */
  #admit(verdict: Verdict, { remote, proof, request }: Presentation): VerifiedPrincipal {
    const { grant, claims, binding } = verdict;
    const { id } = claims.identifier;
    const nowMs = this.#options.env.clock.wallMs();
    if (nowMs < grant.notBeforeMs - this.#skewMs) this.#refuse('not_yet_valid', id);
    if (nowMs >= grant.expiresAtMs + this.#skewMs) this.#refuse('expired', id);
    this.#checkStanding(verdict);
    if (!grantAdmits(grant, remote)) this.#refuse('wrong_address', id);
    if (binding !== undefined) {
      const fault = this.#proofs.fault({ ...binding, proof, request });
      if (fault !== undefined) this.#refuse(fault, id);
    }
    return verdict.principal;
  }

  /** Whether the token or its root key was revoked, retired or destroyed since it was last found good. */
  #checkStanding(verdict: Verdict): void {
    const { identifier } = verdict.claims;
    const { revision } = this.revocations;
    if (verdict.revision !== revision) {
      if (this.revocations.isRevoked(identifier)) this.#refuse('revoked', identifier.id);
      verdict.revision = revision;
    }
    const { generation } = this.#chains;
    if (verdict.generation !== generation) {
      if (!this.#chains.isUsable(verdict.scheme, identifier.kid)) this.#refuse('unknown_key', identifier.id);
      verdict.generation = generation;
    }
  }

  #spelling(capability: string | Uint8Array): Spelling {
    // A copy of bytes: a kept verdict must not hold, or change with, the frame that the token came in.
    return this.#readable(() => spellingOf(typeof capability === 'string' ? capability : capability.slice()));
  }

  /** A `bad_request` is the bearer's fault and becomes the one refusal; anything else is this node's. */
  #readable<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof RonError && error.code === 'bad_request') this.#refuse('malformed', undefined);
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
