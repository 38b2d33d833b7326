export { type Caveat, decodeCaveat, encodeCaveat } from './caveat.ts';
export { decodeIdentifier, encodeIdentifier, type Identifier, mintedAtMs } from './identifier.ts';
export { capabilityBytesMax, capabilityTextMax, caveatsMax, tagBytes, textPrefix } from './limits.ts';
export { rightsAllow } from './rights.ts';
export { attenuate, chain, type Hmac, mintToken, parseToken, type Token, type TokenCaveat } from './token.ts';
export { type Grant, grantAdmits, grantAllows, grantOf, inspect, viewOf } from './view.ts';
