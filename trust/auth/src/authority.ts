import { type Caveat, type Identifier, mintToken, type Scheme } from '@ron/cap';
import { createUuid, type Kms } from '@ron/kms';
import type { CapabilityLimits, Right } from '@ron/proto/capability';
import { mintBiscuit } from './biscuit-token.ts';
import { examinerOf, type ListedChains } from './chain-examiner.ts';
import { hmac } from './chains.ts';
import type { VerifiedPrincipal } from './principal.ts';
import type { RevocationList } from './revocation.ts';
import { RootKeys } from './root-keys.ts';
import { createVerifier, type Presentation, type Verifier, type VerifierOptions } from './verifier.ts';

export interface AuthorityOptions extends VerifierOptions {
  readonly kms: Kms;
}

export interface MintRequest {
  /** Empty or absent: not bound to a tenant. */
  readonly tenant?: string;
  readonly subject: string;
  readonly rights: readonly Right[];
  /** When it begins and expires, milliseconds since the Unix epoch. Absent: always, never. */
  readonly notBeforeMs?: number;
  readonly expiresMs?: number;
  readonly limits?: CapabilityLimits;
  /** The holder's raw Ed25519 public key as base64url: each request then needs a proof made with it. */
  readonly key?: string;
}

/** A capability with what its issuer has to remember: enough to revoke it. */
export interface Issued {
  readonly token: string;
  readonly id: string;
  readonly kid: string;
  readonly scheme: Scheme;
}

/** Mints and checks the capabilities of one cluster. */
export interface Authority extends Verifier {
  /** An HMAC chain, at most 4,096 characters. Refuses (`bad_request`) what would not fit or verify. */
  mint(request: MintRequest): string;
  /** The same in either scheme; `ed25519` needs one signature of the keystore. Default `hmac`. */
  issue(request: MintRequest & { readonly scheme?: Scheme }): Promise<Issued>;
  /** For processes of the node that check capabilities and hold no key. */
  readonly chains: ListedChains;
}

/** Makes the root keys that the keystore lacks. New capabilities use the newest of a scheme, old ones keep verifying. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const keys = new RootKeys(options.kms);
  await keys.prepare();
  return new TokenAuthority(options, keys);
}

class TokenAuthority implements Authority {
  readonly #options: AuthorityOptions;
  readonly #keys: RootKeys;
  readonly chains: ListedChains;
  readonly #verifier: Verifier;

  constructor(options: AuthorityOptions, keys: RootKeys) {
    this.#options = options;
    this.#keys = keys;
    this.chains = examinerOf(keys);
    this.#verifier = createVerifier(this.chains, options);
  }

  get revocations(): RevocationList {
    return this.#verifier.revocations;
  }

  verify(token: string | Uint8Array, caller: Presentation): VerifiedPrincipal | Promise<VerifiedPrincipal> {
    return this.#verifier.verify(token, caller);
  }

  mint(request: MintRequest): string {
    return this.#mintHmac(this.#identifier('hmac', request), request);
  }

  async issue(request: MintRequest & { readonly scheme?: Scheme }): Promise<Issued> {
    const { scheme = 'hmac' } = request;
    const identifier = this.#identifier(scheme, request);
    const { id, kid } = identifier;
    const token =
      scheme === 'hmac' ? this.#mintHmac(identifier, request) : await this.#mintBiscuit(identifier, request);
    return { token, id, kid, scheme };
  }

  #mintHmac(identifier: Identifier, request: MintRequest): string {
    const rootMac = (bytes: Uint8Array) => this.#options.kms.mac(identifier.kid, bytes);
    return mintToken(identifier, request.rights, conditionsOf(request), rootMac, hmac);
  }

  #mintBiscuit(identifier: Identifier, request: MintRequest): Promise<string> {
    const { kms, env } = this.#options;
    const signRoot = (bytes: Uint8Array) => kms.sign(identifier.kid, bytes);
    return mintBiscuit(identifier, request.rights, conditionsOf(request), signRoot, env.random);
  }

  #identifier(scheme: Scheme, { tenant = '', subject }: MintRequest): Identifier {
    const { env, audience } = this.#options;
    const id = createUuid(env.clock, env.random);
    return { kid: this.#keys.current(scheme).kid, id, tenant, subject, audience };
  }
}

function conditionsOf({ notBeforeMs, expiresMs, limits, key }: MintRequest): readonly Caveat[] {
  return [
    ...(notBeforeMs === undefined ? [] : [{ nbf: notBeforeMs }]),
    ...(expiresMs === undefined ? [] : [{ exp: expiresMs }]),
    ...(limits === undefined ? [] : [{ limits }]),
    ...(key === undefined ? [] : [{ key }]),
  ];
}
