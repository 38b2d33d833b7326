import { hash } from '@ron/b3';
import { createProof, encodeBase64Url, inspect, mintedAtMs } from '@ron/cap';
import type { Passport } from '@ron/proto/passport';
import type { Renewal } from './caller.ts';
import { clientError, RonClientError } from './errors.ts';
import type { Access, Platform } from './transport.ts';

/** What a client tells when its refresh token was exchanged. All of it is secret. */
export interface Rotation {
  readonly refreshToken: string;
  readonly capability: string;
  /** Milliseconds since the Unix epoch, by the node's clock. */
  readonly expiresAt: number;
  readonly refreshExpiresAt: number;
}

/** The key that a capability is bound to; the key itself may stay where it is. */
export interface ProofKey {
  /** Ed25519 (RFC 8032) over the bytes themselves: 64 bytes. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface CredentialOptions {
  readonly capability?: string;
  /**
   * Works once: the client exchanges it before the capability expires, and again with each new one. Where processes
   * share a stored token, a function that reads it: it is asked before each exchange.
   */
  readonly refreshToken?: string | (() => string | Promise<string>);
  /**
   * Called with each new refresh token before anything is done with it, and waited for: whoever stores it here loses
   * nothing in a crash. When it rejects, the call that needed it does too, and the next call asks again.
   */
  onRotated?(rotation: Rotation): void | Promise<void>;
  /** Signs a `ron-proof` for every request, for a capability that is bound to a key. */
  readonly key?: ProofKey;
}

/** A capability is renewed when a fifth of its life is left, but no earlier than this, in milliseconds. */
const renewalMsMax = 60_000;
const renewalShare = 0.2;

/** Exchanges a refresh token; the node must see the same key when the same exchange is tried again. */
export type Exchange = (refreshToken: string, idempotencyKey: string) => Promise<Passport>;

/**
 * The capability of one client: kept fresh with a refresh token, one exchange at a time however many calls wait for it.
 * A node ends everything that came from a refresh token which it sees twice, so the token is never sent with two keys:
 * the idempotency key follows from it, and a process that was killed in between gets the same answer for 30 s.
 */
export class Credential implements Access, Renewal {
  readonly #platform: Platform;
  readonly #options: CredentialOptions;
  readonly #exchange: Exchange;
  #capability: string | undefined;
  readonly #storedToken: (() => string | Promise<string>) | undefined;
  /** The newest that this client knows of; for one that was given as text. */
  #refreshToken = '';
  /** `monotonicMs` from which on it is renewed before use; Infinity: never. */
  #renewAtMs: number;
  /** Came from the node and is not known to be stored yet. */
  #untold: Passport | undefined;
  #renewing: Promise<void> | undefined;
  /** The node refused the refresh token: it will not take it later either. */
  #ended: { readonly refreshToken: string; readonly error: RonClientError } | undefined;
  readonly proof?: Access['proof'] & {};

  constructor(options: CredentialOptions, platform: Platform, exchange: Exchange) {
    this.#platform = platform;
    this.#options = options;
    this.#exchange = exchange;
    this.#capability = options.capability;
    const { refreshToken } = options;
    this.#storedToken = typeof refreshToken === 'string' ? () => this.#refreshToken : refreshToken;
    if (typeof refreshToken === 'string') this.#refreshToken = refreshToken;
    this.#renewAtMs = this.#firstRenewalMs(options);
    const { key } = options;
    if (key !== undefined) this.proof = (capability, request) => this.#prove(key, capability, request);
  }

  capability(): string | undefined {
    return this.#capability;
  }

  async around<T>(send: () => Promise<T>, repeatable: () => boolean, signal: AbortSignal | undefined): Promise<T> {
    if (this.#storedToken === undefined) return send();
    if (this.#platform.monotonicMs() >= this.#renewAtMs) await this.#renewEarly(signal);
    const used = this.#capability;
    try {
      return await send();
    } catch (thrown) {
      if (!isUnauthenticated(thrown) || !repeatable() || signal?.aborted) throw thrown;
      // Another call may have brought a new one meanwhile.
      if (used === this.#capability) await until(this.#renew(), signal);
      return send();
    }
  }

  /** Whoever still has a capability tries with it: the node may be unable to renew and able to serve. */
  async #renewEarly(signal: AbortSignal | undefined): Promise<void> {
    try {
      await until(this.#renew(), signal);
    } catch (thrown) {
      const stored = this.#untold === undefined;
      if (this.#capability === undefined || !stored || signal?.aborted || !(thrown instanceof RonClientError))
        throw thrown;
    }
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#rotate().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #rotate(): Promise<void> {
    this.#untold ??= await this.#exchanged(await this.#storedToken!());
    const { refresh_token, capability, capability_id, expires_at, refresh_expires_at } = this.#untold;
    await this.#options.onRotated?.({
      refreshToken: refresh_token,
      capability,
      expiresAt: expires_at,
      refreshExpiresAt: refresh_expires_at,
    });
    this.#untold = undefined;
    this.#refreshToken = refresh_token;
    this.#capability = capability;
    // Both times are the node's own, so a wrong clock here changes nothing.
    const lifeMs = Math.max(0, expires_at - mintedAtMs(capability_id));
    this.#renewAtMs = this.#platform.monotonicMs() + lifeMs - Math.min(renewalMsMax, lifeMs * renewalShare);
  }

  async #exchanged(refreshToken: string): Promise<Passport> {
    if (this.#ended?.refreshToken === refreshToken) throw this.#ended.error;
    try {
      return await this.#exchange(refreshToken, exchangeKey(refreshToken));
    } catch (thrown) {
      if (!isUnauthenticated(thrown)) throw thrown;
      const error = clientError('unauthenticated', 'the refresh token is used up, expired or revoked: sign in again', {
        corrId: thrown instanceof RonClientError ? thrown.corrId : '',
        cause: thrown,
      });
      this.#ended = { refreshToken, error };
      throw error;
    }
  }

  #firstRenewalMs({ capability, refreshToken }: CredentialOptions): number {
    if (refreshToken === undefined) return Number.POSITIVE_INFINITY;
    const expiresAtMs = capability === undefined ? undefined : expiryOf(capability);
    if (capability === undefined) return Number.NEGATIVE_INFINITY;
    // How old it is cannot be known here; a 401 tells in time what a wrong clock hides.
    if (expiresAtMs === undefined) return Number.POSITIVE_INFINITY;
    return this.#platform.monotonicMs() + expiresAtMs - this.#platform.wallMs() - renewalMsMax;
  }

  #prove(key: ProofKey, token: string, request: string): Promise<string> {
    return createProof({
      token,
      request,
      nowMs: this.#platform.wallMs(),
      nonce: this.#platform.randomBytes(16),
      sign: (message) => key.sign(message),
      blake3: hash,
    });
  }
}

/** Public, as keys in logs are: it tells nothing of the token, which has more entropy than can be tried. */
function exchangeKey(refreshToken: string): string {
  return `refresh-${encodeBase64Url(hash(new TextEncoder().encode(`ron refresh\n${refreshToken}`)).subarray(0, 16))}`;
}

/** Undefined for one that never expires, and for a scheme that this client cannot read. */
function expiryOf(capability: string): number | undefined {
  try {
    return inspect(capability).expires_at;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown) return undefined;
    throw thrown;
  }
}

function isUnauthenticated(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'unauthenticated';
}

/** The work goes on for the others who wait for it when this caller leaves. */
function until(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const leave = () => reject(clientError('deadline_exceeded', 'the call was ended by its caller', { corrId: '' }));
    if (signal.aborted) return leave();
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
