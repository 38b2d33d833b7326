/** Limits of the registry; each has tests at −1, 0 and +1. */
export const registryLimits = {
  descriptorsMax: 10_000,
  /** Bytes of an encoded signed snapshot, its signatures included. */
  signedBytesMax: 1_048_576,
  /** Bytes of the canonical JSON of `meta`. */
  metaBytesMax: 4_096,
  endpointsMax: 16,
  keysMax: 8,
  signersMax: 16,
  /** Names that never count again. A registry that has revoked so many begins a new chain. */
  revokedMax: 256,
  changesMax: 1_000,
  proposalsMax: 64,
  /** Two algorithms of each of 16 signers, before and after a change of signers. */
  signaturesMax: 64,
  proposalTtlMs: 86_400_000,
  /** Validity of a snapshot: 90 days unless the proposal says otherwise, at most 400. */
  validityDefaultMs: 7_776_000_000,
  validityMaxMs: 34_560_000_000,
  /** Nodes whose reported heads are remembered. */
  observedNodesMax: 1_000,
} as const;
