import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha512_256 } from '@noble/hashes/sha2.js';
import type { Hmac } from './token.ts';

/** The chain's MAC in plain JavaScript, for browsers and the SDK; servers inject their platform's (about five times faster). */
export const hmac: Hmac = (key, message) => nobleHmac(sha512_256, key, message);
