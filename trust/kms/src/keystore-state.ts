import { KeystoreError } from './keystore-error.ts';
import type { KeystoreContents } from './keystore-format.ts';
import { isSealed, sealText } from './keystore-seal.ts';
import type { Secret } from './secret.ts';

/**
 * The small file beside the keystore that says which keystore file is the newest: its generation and its BLAKE3,
 * sealed with the identity.
 *
 * A change writes the keystore, syncs it, then writes the state. A crash between the two leaves a keystore that is one
 * generation ahead of the state, and that is the only difference that is accepted: when the keystore, which only the
 * identity can have written, names the very bytes of the state file that it was about to replace. The first keystore
 * replaces none and says so; it holds no key yet (or those of a file of the first format, which has no generation).
 *
 * So an older file, another file and a forged one are refused. What is not noticed: both files put back together to
 * the same earlier moment. Keep the state on another medium, or compare `generation` with the audit log, against that.
 */
export interface KeystoreState {
  readonly generation: number;
  /** `b3:` of the sealed keystore file. */
  readonly digest: string;
}

/** Bytes of a state file. */
export const stateBytesMax = 1_024;

const pattern =
  /^(\{"v":1,"generation":([1-9][0-9]{0,15}),"digest":"(b3:[0-9a-f]{64})",)"seal":"([A-Za-z0-9_-]{43})"\}\n$/;

export function encodeState({ generation, digest }: KeystoreState, identity: Secret): Uint8Array {
  const body = `{"v":1,"generation":${generation},"digest":"${digest}",`;
  return Buffer.from(`${body}"seal":"${sealText('state', Buffer.from(body), identity)}"}\n`);
}

/** Undefined for anything that was not written with the identity. */
export function decodeState(bytes: Uint8Array, identity: Secret): KeystoreState | undefined {
  const parts = pattern.exec(Buffer.from(bytes).toString('latin1'));
  if (parts === null) return undefined;
  const [, body, generation, digest, seal] = parts;
  if (!isSealed('state', Buffer.from(body!), seal!, identity)) return undefined;
  return { generation: Number(generation), digest: digest! };
}

export interface FoundKeystore {
  readonly contents: KeystoreContents;
  readonly digest: string;
  /** The state file's bytes and their `b3:`, as far as there is one. */
  readonly state: Uint8Array | undefined;
  readonly stateDigest: string;
}

/** `behind`: the state file has to be written again. Throws `rolled_back` for a keystore that is not the newest. */
export function checkNewest(found: FoundKeystore, identity: Secret): 'newest' | 'behind' {
  const { generation, previous } = found.contents;
  if (found.state === undefined) {
    if (generation === 0) return 'newest';
    if (generation === 1 && previous === '') return 'behind';
    throw rolledBack('its state file is missing');
  }
  if (generation > 0 && previous === found.stateDigest) return 'behind';
  const state = decodeState(found.state, identity);
  if (state === undefined) throw rolledBack('its state file is damaged or belongs to another keystore');
  if (generation < state.generation) {
    throw rolledBack(`it is of generation ${generation}, the newest was of ${state.generation}`);
  }
  if (generation !== state.generation || found.digest !== state.digest) throw rolledBack('it is another one');
  return 'newest';
}

export function rolledBack(why: string): KeystoreError {
  const message = `the keystore file is not the one that was written last: ${why}. Put the newest back, restore a backup, or accept this one deliberately`;
  return new KeystoreError('rolled_back', message);
}
