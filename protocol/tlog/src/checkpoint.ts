import { RonError } from '@ron/proto/errors';
import { encodeBase64, parseBase64 } from './base64.ts';
import { treeSizeMax } from './frontier.ts';
import { type Ed25519Verify, type Note, parseNote, verifyNote } from './note.ts';
import { hashBytes } from './tree-hash.ts';
import type { VerifierKey } from './verifier-key.ts';

/** A tree head (c2sp.org/tlog-checkpoint). */
export interface Checkpoint {
  /** Names the log; also the name of the keys that sign it. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Opaque; logs of this code write none. */
  readonly extensions: readonly string[];
}

/** The text that is signed. */
export function encodeCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  return [origin, String(size), encodeBase64(root), ...extensions].map((line) => `${line}\n`).join('');
}

/** Refuses (`bad_request`) what is not the text of a checkpoint. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...extensions] = text.split('\n');
  const end = extensions.pop();
  const hash = root === undefined ? undefined : parseBase64(root);
  if (!origin || size === undefined || hash?.byteLength !== hashBytes || end !== '' || extensions.includes('')) {
    throw new RonError('bad_request', 'a checkpoint is an origin, a size, a root hash, one a line');
  }
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size) || Number(size) > treeSizeMax) {
    throw new RonError('bad_request', 'a checkpoint’s size is a decimal number up to 2^53−1');
  }
  return { origin, size: Number(size), root: hash, extensions };
}

export interface SignedCheckpoint extends Checkpoint {
  readonly note: Note;
  /** Of the keys asked for, those that signed it: at least one. */
  readonly signers: readonly VerifierKey[];
}

/** Refuses (`bad_request`) a note that is no checkpoint, or that no key of its origin among `keys` signed. */
export async function openCheckpoint(
  text: string,
  keys: readonly VerifierKey[],
  verify: Ed25519Verify,
): Promise<SignedCheckpoint> {
  const note = parseNote(text);
  const checkpoint = parseCheckpoint(note.text);
  const own = keys.filter(({ name }) => name === checkpoint.origin);
  return { ...checkpoint, note, signers: await verifyNote(note, own, verify) };
}
