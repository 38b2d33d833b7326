import type { Scheme, Spelling } from '@ron/cap';
import { type Examined, examineBiscuit, examineHmac } from './chains.ts';
import type { RootKeys } from './root-keys.ts';

/** Says whether chains begin with a root key of the cluster: where the keys are, or by asking there. */
export interface ChainExaminer {
  /** Throws or rejects with `bad_request` for what is no token. */
  examine(spelling: Spelling): Examined | Promise<Examined>;
  /** Whether a key that was good when it was examined still is. */
  isUsable(scheme: Scheme, kid: string): boolean;
  /** Changes when an answer of `isUsable` may have. */
  readonly generation: number;
}

/** In the process that holds the keys. */
export interface ListedChains extends ChainExaminer {
  usable(): readonly { readonly scheme: Scheme; readonly kid: string }[];
}

export function examinerOf(keys: RootKeys): ListedChains {
  return {
    usable: () => keys.usable(),
    examine: ({ scheme, bytes }) => (scheme === 'hmac' ? examineHmac(bytes, keys) : examineBiscuit(bytes, keys)),
    isUsable: (scheme, kid) => keys.isUsable(scheme, kid),
    get generation() {
      return keys.generation;
    },
  };
}
