import type { Timer } from '@ron/kernel';
import type { NodeId } from '@ron/proto/network';
import type { Claim, MemberState, NodeRecord, Vote } from '@ron/proto/overlay';

/** What this node itself has seen of a member that does not answer. */
export interface OwnSuspicion {
  readonly sinceMs: number;
  /** Whole probes that failed, the direct and the indirect ones. */
  failures: number;
  /** Ends the suspicion with a death. */
  timer: Timer | undefined;
}

/** Another node, as this one knows it. Times are of the monotonic clock. */
export interface Member {
  record: NodeRecord;
  state: MemberState;
  sinceMs: number;
  /** Enough others voted for its death; without it a death is this node's own opinion. */
  certain: boolean;
  /** What is passed on about it while it is suspect or dead. */
  claim: Claim | undefined;
  /** Signed votes for its death of this incarnation; at most `votesMax`. */
  votes: readonly Vote[];
  /** Who accused it of this incarnation, and when that was heard; at most `votesMax` + 1. */
  accusers: readonly { readonly id: NodeId; readonly atMs: number }[];
  own: OwnSuspicion | undefined;
  /** When it was last heard itself, over a channel that proves it. */
  heardMs: number | undefined;
  /** Decaying average of direct probes. */
  rttMs: number | undefined;
  /** It stands in the ring of those who are probed. */
  inRing: boolean;
}

export function createMember(record: NodeRecord, nowMs: number): Member {
  return {
    record,
    state: 'alive',
    sinceMs: nowMs,
    certain: false,
    claim: undefined,
    votes: [],
    accusers: [],
    own: undefined,
    heardMs: undefined,
    rttMs: undefined,
    inRing: false,
  };
}

/** Alive or suspect: probed, asked, and counted as a member. */
export function isPresent({ state }: Member): boolean {
  return state === 'alive' || state === 'suspect';
}
