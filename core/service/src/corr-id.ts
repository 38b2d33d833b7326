import type { Env } from '@ron/kernel';

const accepted = /^[A-Za-z0-9_-]{8,64}$/;

/** The caller's id when it is 8–64 of `[A-Za-z0-9_-]`, else a new UUIDv7 (RFC 9562). */
export function corrIdOf(offered: string | undefined, env: Pick<Env, 'clock' | 'random'>): string {
  return offered !== undefined && accepted.test(offered) ? offered : uuidV7(env);
}

/** Written out: it runs for every request that brings no id of its own. */
export function uuidV7(env: Pick<Env, 'clock' | 'random'>): string {
  const r = env.random.bytes(10);
  const version = hexPairs[(r[0]! & 0x0f) | 0x70]! + hexPairs[r[1]!]!;
  const variant = hexPairs[(r[2]! & 0x3f) | 0x80]! + hexPairs[r[3]!]!;
  const node =
    hexPairs[r[4]!]! + hexPairs[r[5]!]! + hexPairs[r[6]!]! + hexPairs[r[7]!]! + hexPairs[r[8]!]! + hexPairs[r[9]!]!;
  return `${timePart(Math.trunc(env.clock.wallMs()))}-${version}-${variant}-${node}`;
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

let formattedMs = -1;
let formatted = '';

/** The 48-bit time as `xxxxxxxx-xxxx`; many requests share a millisecond. */
function timePart(ms: number): string {
  if (ms !== formattedMs) {
    const digits = ms.toString(16).padStart(12, '0');
    formatted = `${digits.slice(0, 8)}-${digits.slice(8)}`;
    formattedMs = ms;
  }
  return formatted;
}
