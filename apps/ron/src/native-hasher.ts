import { createRequire } from 'node:module';
import type { Hasher } from '@ron/app-sdk';

type Native = typeof import('@napi-rs/blake-hash');

let loaded: Native | undefined | null = null;

/** BLAKE3 at several GB/s; undefined on machines that the package has no binary for, where the portable one serves. */
export function nativeHasher(): (() => Hasher) | undefined {
  const native = load();
  if (native === undefined) return undefined;
  return () => {
    const hasher = new native.Blake3Hasher();
    return {
      update(bytes) {
        hasher.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      },
      digest: () => hasher.digestBuffer(),
    };
  };
}

function load(): Native | undefined {
  if (loaded !== null) return loaded;
  try {
    // Only commands that hash pay for the native library, and they need it at once: hence not an import.
    loaded = createRequire(import.meta.url)('@napi-rs/blake-hash') as Native;
  } catch {
    loaded = undefined;
  }
  return loaded;
}
