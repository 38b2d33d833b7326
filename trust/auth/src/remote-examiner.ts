import { type Claims, parseToken, type Scheme, type Spelling } from '@ron/cap';
import { RonError } from '@ron/proto/errors';
import { parseBiscuit } from './biscuit-token.ts';
import type { ChainExaminer } from './chain-examiner.ts';
import type { Examined } from './chains.ts';

/** The root keys of a cluster as their holder listed them last. */
export interface UsableKeys {
  readonly generation: number;
  has(scheme: Scheme, kid: string): boolean;
}

export interface RemoteExaminerOptions {
  /** Asks the process that holds the keys; rejects with `unavailable` when it does not answer. */
  readonly ask: (token: Uint8Array) => Promise<Examined['fault']>;
  readonly keys: () => UsableKeys;
  /** Asks for the list of keys now: a token was found good whose key is not on it yet. */
  readonly refresh: () => Promise<void>;
  /** Tokens asked about at a time; further ones are refused. Default 256. */
  readonly askingMax?: number;
}

/** For processes that have no root key, and so can check a token but never make one. */
export function createRemoteExaminer({ ask, keys, refresh, askingMax = 256 }: RemoteExaminerOptions): ChainExaminer {
  let asking = 0;
  const judged = async (claims: Claims, { scheme, bytes }: Spelling): Promise<Examined> => {
    if (asking >= askingMax)
      throw new RonError('unavailable', 'too many new capabilities are being checked', { retryAfterMs: 250 });
    asking += 1;
    try {
      const fault = await ask(bytes);
      if (fault === undefined && !keys().has(scheme, claims.identifier.kid)) await refresh();
      return { claims, fault };
    } finally {
      asking -= 1;
    }
  };
  return {
    // What cannot be read is refused here and now; nobody is asked about it.
    examine: (spelling) => judged(claimsOf(spelling), spelling),
    isUsable: (scheme, kid) => keys().has(scheme, kid),
    get generation() {
      return keys().generation;
    },
  };
}

function claimsOf({ scheme, bytes }: Spelling): Claims {
  return scheme === 'hmac' ? parseToken(bytes) : parseBiscuit(bytes).claims;
}
