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
  type Presentation,
  type RefusalReason,
} from './authority.ts';
export { attenuateBiscuit } from './biscuit-token.ts';
export { type Caller, servicePrincipal, type VerifiedPrincipal } from './principal.ts';
export { noncesMax } from './proof-check.ts';
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
