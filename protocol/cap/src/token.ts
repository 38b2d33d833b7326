import type { Right } from '@ron/proto/capability';
import { decodeBase64Url, encodeBase64Url } from './base64url.ts';
import { type Caveat, decodeCaveat, encodeCaveat } from './caveat.ts';
import { decodeIdentifier, encodeIdentifier, type Identifier } from './identifier.ts';
import { capabilityTextMax, textPrefix } from './limits.ts';
import { decodePackets, encodePackets } from './packet.ts';
import { refuse } from './refuse.ts';

/** HMAC with the 512-bit hash truncated to 256 bits: a key of 32 bytes, a tag of 32 bytes. */
export type Hmac = (key: Uint8Array, message: Uint8Array) => Uint8Array;

/** What a capability of either scheme says, in the order of its making. */
export interface Claims {
  readonly identifier: Identifier;
  readonly identifierBytes: Uint8Array;
  readonly caveats: readonly TokenCaveat[];
}

/** An HMAC chain taken apart. Nothing in it is proven: only the holder of the root key can check the tag. */
export interface Token extends Claims {
  readonly tag: Uint8Array;
}

export interface TokenCaveat {
  readonly bytes: Uint8Array;
  /** Undefined when not understood: the token then allows nothing. */
  readonly caveat: Caveat | undefined;
}

const utf8Prefix = new TextEncoder().encode(textPrefix);

/**
 * Reads the text form, its UTF-8 bytes, or the binary form. Refuses (`bad_request`) past 4,096 characters or 64
 * caveats, and every second spelling.
 */
export function parseToken(capability: string | Uint8Array): Token {
  const bytes = typeof capability === 'string' ? bytesFromText(capability) : bytesFromWire(capability);
  const packets = decodePackets(bytes);
  return {
    identifier: decodeIdentifier(packets.identifier),
    identifierBytes: packets.identifier,
    caveats: packets.caveats.map((caveat) => ({ bytes: caveat, caveat: decodeCaveat(caveat) })),
    tag: packets.tag,
  };
}

/**
 * A new capability. `rights` become the first caveat: were a token without rights ever minted, the first list that a
 * holder appends would be the one that counts. `rootMac` is the MAC under the root key.
 */
export function mintToken(
  identifier: Identifier,
  rights: readonly Right[],
  conditions: readonly Caveat[],
  rootMac: (message: Uint8Array) => Uint8Array,
  hmac: Hmac,
): string {
  const identifierBytes = encodeIdentifier(identifier);
  const added = [{ rights }, ...conditions].map(encodeCaveat);
  const tag = chain(rootMac(identifierBytes), added, hmac);
  return toText(encodePackets({ identifier: identifierBytes, caveats: added, tag }));
}

/**
 * A weaker capability from one at hand, without asking anybody: each caveat is sealed with the tag before it, which
 * is then gone. Caveats that are not understood here are kept. The same text form comes back whatever went in.
 */
export function attenuate(capability: string | Uint8Array, caveats: readonly Caveat[], hmac: Hmac): string {
  const token = parseToken(capability);
  const added = caveats.map(encodeCaveat);
  return toText(
    encodePackets({
      identifier: token.identifierBytes,
      caveats: [...token.caveats.map((caveat) => caveat.bytes), ...added],
      tag: chain(token.tag, added, hmac),
    }),
  );
}

/** The tag after `caveats`, each step keyed by the one before. */
export function chain(tag: Uint8Array, caveats: readonly Uint8Array[], hmac: Hmac): Uint8Array {
  let last = tag;
  for (const caveat of caveats) last = hmac(last, caveat);
  return last;
}

/** The binary form of a text. */
function bytesFromText(text: string): Uint8Array {
  if (text.length > capabilityTextMax) refuse('cap.size', `a capability has at most ${capabilityTextMax} characters`);
  if (!text.startsWith(textPrefix)) refuse('cap.prefix', `a capability starts with ${textPrefix}`);
  const bytes = decodeBase64Url(text.slice(textPrefix.length));
  return bytes ?? refuse('cap.base64', 'a capability is base64url without padding');
}

export function toText(bytes: Uint8Array): string {
  return textPrefix + encodeBase64Url(bytes);
}

function bytesFromWire(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > capabilityTextMax) refuse('cap.size', `a capability has at most ${capabilityTextMax} bytes`);
  if (!utf8Prefix.every((byte, index) => bytes[index] === byte)) return bytes;
  return bytesFromText(new TextDecoder('latin1').decode(bytes));
}
