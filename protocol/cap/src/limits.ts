/** Characters of the text form, prefix included; also the bytes of it on the wire. */
export const capabilityTextMax = 4_096;

/** Begins the text of an HMAC chain. */
export const textPrefix = 'ron1_';

/** Begins the text of an Ed25519 chain in a Biscuit container. */
export const biscuitPrefix = 'ron1b_';

/** Bytes of the binary form: what still has a text form of 4,096 characters. */
export const capabilityBytesMax = Math.floor(((capabilityTextMax - textPrefix.length) * 3) / 4);

export const caveatsMax = 64;

/** Of each tag: HMAC with the 512-bit hash truncated to 256 bits. */
export const tagBytes = 32;

/** Bytes of a tenant, subject or audience. */
export const partyBytesMax = 128;

/** Bytes of a right's prefix. */
export const prefixBytesMax = 512;

/** Ranges in one `cidr` caveat. */
export const cidrsMax = 16;

/** Of a holder's raw Ed25519 public key. */
export const holderKeyBytes = 32;

/** How far the time in a proof of possession may lie from the verifier's clock, either way, milliseconds. */
export const proofWindowMs = 60_000;

export const proofNonceBytes = 16;

/** Characters of the request that a proof is made for. */
export const proofRequestMax = 16_384;
