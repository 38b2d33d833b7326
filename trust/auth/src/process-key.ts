import { mintToken } from '@ron/cap';
import type { Env } from '@ron/kernel';
import { createUuid } from '@ron/kms';
import type { Right } from '@ron/proto/capability';
import type { ChainExaminer } from './chain-examiner.ts';
import { examineHmac, hmac } from './chains.ts';

/** What a process is called in capabilities that are for it alone. */
export interface ProcessKey {
  /** 32 random bytes, which whoever mints and whoever checks have in common. */
  readonly key: Uint8Array;
  readonly audience: string;
}

const kid = 'process';

/** A capability for one process, which that process checks with the same key: it opens nothing else. It does not expire; the key does. */
export function mintWithProcessKey(
  { key, audience }: ProcessKey,
  { subject, rights }: { readonly subject: string; readonly rights: readonly Right[] },
  { clock, random }: Pick<Env, 'clock' | 'random'>,
): string {
  const identifier = { kid, id: createUuid(clock, random), tenant: '', subject, audience };
  return mintToken(identifier, rights, [], (bytes) => hmac(key, bytes), hmac);
}

/** Chains that begin with the key; no other scheme is one of them. */
export function processKeyExaminer({ key }: Pick<ProcessKey, 'key'>): ChainExaminer {
  const isUsable = (scheme: string, asked: string): boolean => scheme === 'hmac' && asked === kid;
  const keys = {
    isUsable,
    mac: (_kid: string, message: Uint8Array) => hmac(key, message),
  };
  return {
    examine: ({ bytes }) => examineHmac(bytes, keys),
    isUsable,
    generation: 0,
  };
}
