/**
 * `edited`: bytes that do not have their hash. `deleted`: entries or hashes that should be there. `reordered`: an entry
 * in another one's place. `truncated`: fewer entries than a checkpoint covers. `extra`: what nobody put there.
 * `signature`: a checkpoint that no given key signed. `root`: the hashes fit each other, not the checkpoint; what of them
 * was changed cannot be told. `malformed`: not in the form of a log or export. `unfinished`: what a crash leaves and the
 * next start puts right, unless it is what somebody cut off after the last checkpoint.
 */
export type FindingKind =
  | 'edited'
  | 'deleted'
  | 'reordered'
  | 'truncated'
  | 'extra'
  | 'signature'
  | 'root'
  | 'malformed'
  | 'unfinished';

export interface Finding {
  readonly kind: FindingKind;
  /** The first entry that it concerns. */
  readonly index: number;
  /** The entry after the last one. */
  readonly to: number;
  readonly detail: string;
}

export interface VerifyReport {
  /** No findings; there may be warnings. */
  readonly ok: boolean;
  /** For a process: 0 when ok, else 1. */
  readonly exitCode: 0 | 1;
  readonly origin: string;
  /** Of the tree that the checkpoint signs. */
  readonly size: number;
  /** Entries checked: [from, to). */
  readonly from: number;
  readonly to: number;
  readonly findings: readonly Finding[];
  /** `unfinished` things, and what could not be compared. */
  readonly warnings: readonly Finding[];
  /** Entries whose hashes fit and whose text retention has taken. */
  readonly notKept: { readonly from: number; readonly to: number } | undefined;
}

/** What is worth telling; past it there is only more of the same. */
export const findingsMax = 1_000;
