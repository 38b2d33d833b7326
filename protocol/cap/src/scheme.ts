import { decodeBase64Url } from './base64url.ts';
import { biscuitPrefix, capabilityTextMax, textPrefix } from './limits.ts';
import { refuse } from './refuse.ts';

/** How a capability is proven: `hmac` by the cluster that minted it, `ed25519` by whoever has the public key. */
export type Scheme = 'hmac' | 'ed25519';

/** Which scheme a capability is spelled in; says nothing about what is in it. */
export interface Spelling {
  readonly scheme: Scheme;
  /** The binary form: what both spellings of a capability have in common. */
  readonly bytes: Uint8Array;
}

const ascii = new TextDecoder('latin1');
/** The first byte of each binary form: the version of a macaroon, the tag of a Biscuit's authority block. */
const firstBytes: ReadonlyMap<number, Scheme> = new Map([
  [0x02, 'hmac'],
  [0x12, 'ed25519'],
]);

/** Reads the text form, its UTF-8 bytes or the binary form. Refuses (`bad_request`) what begins like neither scheme. */
export function spellingOf(capability: string | Uint8Array): Spelling {
  if (capability.length > capabilityTextMax) {
    refuse('cap.size', `a capability has at most ${capabilityTextMax} characters`);
  }
  if (typeof capability !== 'string') {
    const scheme = firstBytes.get(capability[0] ?? 0);
    if (scheme !== undefined) return { scheme, bytes: capability };
  }
  const text = typeof capability === 'string' ? capability : ascii.decode(capability);
  // Neither prefix begins the other.
  if (text.startsWith(textPrefix)) return { scheme: 'hmac', bytes: decode(text, textPrefix) };
  if (text.startsWith(biscuitPrefix)) return { scheme: 'ed25519', bytes: decode(text, biscuitPrefix) };
  return refuse('cap.prefix', `a capability starts with ${textPrefix} or ${biscuitPrefix}`);
}

function decode(text: string, prefix: string): Uint8Array {
  const bytes = decodeBase64Url(text.slice(prefix.length));
  return bytes ?? refuse('cap.base64', 'a capability is base64url without padding');
}
