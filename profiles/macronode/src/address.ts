import { parseNetAddress } from '@ron/kernel';
import type { BackendAddress } from '@ron/omnigate/service';

/** `name=address`, or an address alone: its name is then its place in the list, `g0`, `g1` … */
export function parseBackend(text: string, index: number): BackendAddress {
  const named = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.+)$/.exec(text);
  return { name: named?.[1] ?? `g${index}`, address: parseNetAddress(named?.[2] ?? text) };
}
