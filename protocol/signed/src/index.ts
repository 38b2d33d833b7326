export {
  type Accepted,
  type Approvals,
  type ChainPorts,
  checkContinuity,
  checkFirst,
  checkSuccessor,
  countApprovals,
  createSnapshotClient,
  type HeldSnapshot,
  parseSignedSnapshot,
  type SnapshotClient,
  type SnapshotClientOptions,
  snapshotGapMax,
  snapshotId,
  type TrustedStart,
} from './chain.ts';
export { type ChainRefusal, refuseSnapshot } from './chain-refusal.ts';
export {
  documentBytes,
  documentId,
  type SignatureAlgorithm,
  type SignedDocument,
  type SignerSignature,
} from './document.ts';
export { encodeSigned, parseSigned, signaturesMax, signedBytesMax } from './envelope.ts';
export { checkDescriptor, parseSnapshot } from './registry-snapshot.ts';
export {
  checkThreshold,
  holdingSignatures,
  type Signer,
  type ThresholdRule,
  type VerifySignature,
} from './threshold.ts';
