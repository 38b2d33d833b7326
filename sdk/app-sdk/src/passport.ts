import type { CapabilityView } from '@ron/proto/capability';
import type { IssueInput, JwkSet, Passport, Profile } from '@ron/proto/passport';
import type { Caller } from './caller.ts';
import type { CallOptions } from './client.ts';
import { passportService as service } from './services.ts';
import { collect } from './streams.ts';

/** What a revocation takes back: one of these. */
export type Revoked =
  | { readonly capability_id: string }
  | { readonly subject: string; readonly tenant?: string }
  | { readonly kid: string }
  | { readonly family: string };

/** Who may do what on this node. Passports hold two secrets, `capability` and `refresh_token`; keep them out of logs. */
export interface PassportCalls {
  /** The first administrator of a fresh node, from the secret that it printed. Works once. */
  bootstrap(
    first: { readonly secret: string; readonly subject: string; readonly display_name?: string },
    options?: CallOptions,
  ): Promise<Passport>;
  /** Never allows more than this client's own capability; `ttl_s` past 3,600 is refused. */
  issue(input: IssueInput, options?: CallOptions): Promise<Passport>;
  /**
   * Exchanges a refresh token, which works once: a second use ends everything that came from it. A client that was
   * made with `refreshToken` does this by itself.
   */
  refresh(refreshToken: string, options?: CallOptions): Promise<Passport>;
  revoke(
    what: Revoked,
    options?: CallOptions,
  ): Promise<{ readonly seq: number; readonly entries: number; readonly families: number }>;
  /** One's own, without a subject. */
  profile(who?: { readonly subject?: string; readonly tenant?: string }, options?: CallOptions): Promise<Profile>;
  list(options?: CallOptions): AsyncIterable<Profile>;
  /** Public keys that check `ed25519` capabilities: those of every version that still verifies. */
  keys(options?: CallOptions): Promise<JwkSet>;
  /** What the node makes of this client's capability. */
  whoami(options?: CallOptions): Promise<CapabilityView>;
}

export function createPassportCalls(caller: Caller): PassportCalls {
  const ask = async <T>(operation: string, input: object, options: Parameters<Caller['call']>[2] = {}): Promise<T> => {
    const { output } = await caller.call(operation, input as Record<string, unknown>, { ...options, service });
    return output as T;
  };
  return {
    bootstrap: (first, options) => ask('bootstrap', first, { ...options, mutation: true, anonymous: true }),
    issue: (input, options) => ask('issue', input, { ...options, mutation: true }),
    refresh: (refreshToken, options) =>
      ask('refresh', { refresh_token: refreshToken }, { ...options, mutation: true, anonymous: true }),
    revoke: (what, options) => ask('revoke', what, { ...options, mutation: true }),
    profile: (who = {}, options) => ask('profile', who, options),
    async *list(options) {
      let cursor: string | undefined;
      do {
        const page: { subjects: Profile[]; cursor?: string } = await ask(
          'list',
          cursor === undefined ? {} : { cursor },
          options,
        );
        yield* page.subjects;
        cursor = page.cursor;
      } while (cursor !== undefined);
    },
    async keys(options) {
      const { body } = await caller.call('keys', {}, { ...options, service });
      return JSON.parse(new TextDecoder().decode(await collect(body!))) as JwkSet;
    },
    async whoami(options) {
      return (await caller.call('whoami', {}, options)).output as CapabilityView;
    },
  };
}

/** Milliseconds for one exchange with all its attempts: a node knows a repeated one for 30 s. */
const exchangeTimeoutMs = 25_000;

/** For `Credential`. */
export async function exchange(caller: Caller, refreshToken: string, idempotencyKey: string): Promise<Passport> {
  const fields = { service, mutation: true, anonymous: true, idempotencyKey, timeoutMs: exchangeTimeoutMs };
  const { output } = await caller.call('refresh', { refresh_token: refreshToken }, fields);
  return output as Passport;
}
