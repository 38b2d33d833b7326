const ceilingMsMax = 60_000;
const firstMs = 200;

/**
 * Milliseconds until a message that was not settled is offered again: full jitter, uniform in [0, min(60 s, 200 ms·2ⁿ))
 * with n = deliveries so far. Drawn from the message itself instead of a source of randomness, so that a replay of the
 * log comes to the same time.
 */
export function backoffMs(id: string, attempt: number): number {
  const ceiling = Math.min(ceilingMsMax, firstMs * 2 ** attempt);
  return Math.floor(unit(id, attempt) * ceiling);
}

/** Uniform in [0, 1): FNV-1a over the id, which has 80 random bits, and the finaliser of MurmurHash3 to mix in the attempt. */
function unit(id: string, attempt: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ attempt, 0x9e3779b1);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return (hash >>> 0) / 0x1_0000_0000;
}
