import type { Setting } from '../attack.ts';

/** A node as it comes: in memory, with OAP/1. */
export const plain: Setting = { kind: 'micronode' };

/** Addresses of this machine, for who may have only 64 connections from each. Other systems than Linux have the first one only. */
export function addressOf(index: number): { readonly localAddress?: string } {
  return process.platform === 'linux' ? { localAddress: `127.0.1.${1 + (index % 250)}` } : {};
}
