import { RonError } from '@ron/proto/errors';
import {
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  type SignedCheckpoint,
  sameHash,
  type VerifierKey,
} from '@ron/tlog';
import { verifyEd25519 } from '../hashing.ts';
import type { LeafChecker } from './leaf-checker.ts';

export interface Trust {
  /** `name+hash+key`, or parsed: the log's keys, old versions included. */
  readonly keys: readonly (string | VerifierKey)[];
  /** Signed by one of them, seen before or elsewhere, older or newer. */
  readonly knownCheckpoint?: string | undefined;
}

export interface Heads {
  readonly own: SignedCheckpoint | undefined;
  readonly known: SignedCheckpoint | undefined;
  /** Of a folder: what stands in for the log's own when that has gone bad. */
  readonly copy: SignedCheckpoint | undefined;
  readonly problems: readonly string[];
  /** What an unsigned checkpoint says, for the report only. */
  readonly claimed: { readonly origin: string; readonly size: number };
}

/** Opens the log's own checkpoint, its copy, and the known one. */
export async function openHeads(
  text: string | undefined,
  trust: Trust,
  { folder = false, copyText }: { readonly folder?: boolean; readonly copyText?: string | undefined } = {},
): Promise<Heads> {
  const keys = trust.keys.map((key) => (typeof key === 'string' ? parseVerifierKey(key) : key));
  const problems: string[] = [];
  const open = async (name: string, note: string | undefined) => {
    if (note === undefined) return undefined;
    try {
      return await openCheckpoint(note, keys, verifyEd25519);
    } catch (error) {
      problems.push(`${name}: ${messageOf(error)}`);
      return undefined;
    }
  };
  const own = await open('the checkpoint', text);
  if (text === undefined) problems.push('there is no checkpoint');
  const copy = await open('the copy of the checkpoint', copyText);
  if (folder && copyText === undefined && claimOf(text).size > 0) problems.push('there is no copy of the checkpoint');
  const known = await open('the known checkpoint', trust.knownCheckpoint);
  if (own !== undefined && known !== undefined && own.origin !== known.origin) {
    problems.push('the known checkpoint is of another log');
  }
  return { own, known, copy, problems, claimed: own ?? claimOf(text) };
}

/** Compares the roots that the leaves make with those that were signed. */
export function compareHeads(checker: LeafChecker, { own, known, copy, problems }: Heads, exported: boolean): void {
  for (const problem of problems) checker.report('signature', 0, own?.size ?? checker.size, problem);
  if (own !== undefined) compare(checker, own, 'the checkpoint', exported);
  if (copy !== undefined) compare(checker, copy, 'the copy of the checkpoint', exported);
  if (known !== undefined && known.origin === (own ?? known).origin) {
    compare(checker, known, 'the known checkpoint', exported);
  }
}

function compare(checker: LeafChecker, { size, root }: SignedCheckpoint, name: string, exported: boolean): void {
  if (checker.broken) return;
  const found = checker.rootAt(size);
  if (checker.size < size) {
    checker.report('truncated', checker.size, size, `${name} covers ${size} entries`);
  } else if (found === undefined) {
    const why = exported ? 'the export is of another part' : 'hashes are missing';
    checker.report('unfinished', size, size, `${name} of size ${size} cannot be compared: ${why}`);
  } else if (!sameHash(found, root) && !checker.findings.some(({ kind }) => kind !== 'signature')) {
    // Whatever was found changed before would explain it, and says where.
    checker.report('root', 0, size, `entries 0 to ${size} are not those that ${name} was signed over`);
  }
}

function claimOf(text: string | undefined): { readonly origin: string; readonly size: number } {
  try {
    return parseCheckpoint(parseNote(text ?? '').text);
  } catch (error) {
    messageOf(error);
    return { origin: '', size: 0 };
  }
}

function messageOf(error: unknown): string {
  if (error instanceof RonError) return error.message;
  throw error;
}
