export { decodeBase64Url, encodeBase64Url } from './base64url.ts';
export { type Caveat, decodeCaveat, decodeHolderKey, encodeCaveat } from './caveat.ts';
export { decodeIdentifier, encodeIdentifier, type Identifier, mintedAtMs } from './identifier.ts';
export {
  biscuitPrefix,
  capabilityBytesMax,
  capabilityTextMax,
  caveatsMax,
  proofWindowMs,
  tagBytes,
  textPrefix,
} from './limits.ts';
export { createProof, type Proof, type ProofRequest, parseProof, proofMessage } from './proof.ts';
export { rightsAllow } from './rights.ts';
export { type Scheme, type Spelling, spellingOf } from './scheme.ts';
export {
  attenuate,
  type Claims,
  chain,
  type Hmac,
  mintToken,
  parseToken,
  type Token,
  type TokenCaveat,
} from './token.ts';
export { type Grant, grantAdmits, grantAllows, grantOf, inspect, viewOf } from './view.ts';
