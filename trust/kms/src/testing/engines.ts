import { openFileKms } from '../file-kms.ts';
import type { KeyRequest, Kms } from '../kms.ts';
import { createRamKms } from '../ram-kms.ts';
import { fileOptions, MemoryDisk } from './memory-disk.ts';

/** Every engine, for the suites that all of them pass. */
export const engines: readonly (readonly [string, () => Promise<Kms>])[] = [
  ['ram', async () => createRamKms(fileOptions(new MemoryDisk()).env)],
  ['file', async () => openFileKms(fileOptions(new MemoryDisk()))],
];

export const message: Uint8Array = new TextEncoder().encode('message');
export const aad: Uint8Array = new TextEncoder().encode('box/orders');
export const none: Uint8Array = new Uint8Array(0);

export function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
}

export function request(alg: KeyRequest['alg'], more: Partial<KeyRequest> = {}): KeyRequest {
  return { tenant: 'acme', purpose: 'work', alg, ...more };
}
