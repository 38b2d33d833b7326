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
  type MintRequest,
  type RefusalReason,
} from './authority.ts';
export { type Caller, servicePrincipal, type VerifiedPrincipal } from './principal.ts';
export { createRevocationList, type RevocationList, revocationsMax } from './revocation.ts';
