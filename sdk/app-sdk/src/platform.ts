import type { Platform } from './transport.ts';

/** The clock, timers and randomness that browsers and Node share. */
export const webPlatform: Platform = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** Ed25519 (RFC 8032) through WebCrypto, which browsers and Node share; false for a key that is none. */
export async function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const algorithm = { name: 'Ed25519' };
  try {
    const key = await crypto.subtle.importKey('raw', bufferOf(publicKey), algorithm, false, ['verify']);
    return await crypto.subtle.verify(algorithm, key, bufferOf(signature), bufferOf(message));
  } catch (thrown) {
    // What a platform says of a malformed key; NotSupportedError, of its own lack of Ed25519, must be seen.
    if (thrown instanceof DOMException && thrown.name === 'DataError') return false;
    throw thrown;
  }
}

function bufferOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
