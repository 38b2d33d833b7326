export {
  type Authenticator,
  type AuthenticatorOptions,
  type Credential,
  createAuthenticator,
} from './authenticator.ts';
export {
  type Authority,
  type AuthorityOptions,
  createAuthority,
  type Issued,
  type MintRequest,
} from './authority.ts';
export { attenuateBiscuit } from './biscuit-token.ts';
export type { ChainExaminer, ListedChains } from './chain-examiner.ts';
export type { Examined } from './chains.ts';
export { type Caller, servicePrincipal, type VerifiedPrincipal } from './principal.ts';
export { mintWithProcessKey, type ProcessKey, processKeyExaminer } from './process-key.ts';
export { noncesMax } from './proof-check.ts';
export { createRemoteExaminer, type RemoteExaminerOptions, type UsableKeys } from './remote-examiner.ts';
export { applyRevocation, createRevocationList, type RevocationList, revocationsMax } from './revocation.ts';
export {
  createRevocationFollower,
  type FollowerOptions,
  type FollowerState,
  type RevocationFollower,
  type RevocationSource,
  revocationStaleMs,
  revocationWaitMs,
} from './revocation-follower.ts';
export { rootKeyPurpose } from './root-keys.ts';
export { Strangers } from './strangers.ts';
export {
  createVerifier,
  type Presentation,
  type RefusalReason,
  type Verifier,
  type VerifierOptions,
} from './verifier.ts';
