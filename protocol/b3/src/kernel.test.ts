import { blake3 as native } from '@napi-rs/blake-hash';
import { blake3 as noble } from '@noble/hashes/blake3.js';
import { describe, expect, test } from 'vitest';
import { createEngine, createSimdEngine, ENGINE_PAGES } from './engine.ts';
import { createKernel, SUBTREE_BYTES_MAX, threadKernel } from './kernel.ts';
import { createScalarEngine } from './scalar.ts';
import { hex, officialLengths, pattern, refusal } from './testing/inputs.ts';
import { modelNode, modelParent } from './testing/spec-model.ts';

const simd = createSimdEngine();
if (simd === undefined) throw new Error('these tests need a host with WebAssembly SIMD');
const kernels = [createKernel(simd), createKernel(createScalarEngine(ENGINE_PAGES * 65_536))];

const lengths = [...officialLengths, 62, 1087, 1088, 1089, 4095, 9000, 65_471, 65_472, 65_535, 65_536].filter(
  (length) => length <= SUBTREE_BYTES_MAX,
);

function subtree(kernel: (typeof kernels)[number], bytes: Uint8Array, chunk: number, root: boolean): string {
  const out = new Uint8Array(40).fill(0xee);
  kernel.subtree(bytes, chunk, root, out, 4);
  expect([out.subarray(0, 4), out.subarray(36)].map(hex)).toEqual(['eeeeeeee', 'eeeeeeee']);
  return hex(out.subarray(4, 36));
}

describe.each(kernels)('the $name kernel', (kernel) => {
  test('gives the root of everything that fits one subtree', () => {
    for (const length of lengths) {
      const bytes = pattern(length);
      const root = subtree(kernel, bytes, 0, true);
      expect(root, `noble, ${length} bytes`).toBe(hex(noble(bytes)));
      expect(root, `native, ${length} bytes`).toBe(native(Buffer.from(bytes)).toString('hex'));
    }
  });

  test('binds the place of a subtree, also where the counter passes 32 bits', () => {
    for (const chunk of [0, 64, 2 ** 32 - 64, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3]) {
      for (const length of [1, 1024, 1025, 3000, 5 * 1024]) {
        const bytes = pattern(length);
        const expected = hex(modelNode(bytes, BigInt(chunk)));
        expect(subtree(kernel, bytes, chunk, false), `chunk ${chunk}, ${length} bytes`).toBe(expected);
      }
    }
  });

  test('compresses any number of parents, past one filling of its input', () => {
    for (const count of [0, 1, 2, 3, 4, 5, 9, 1024, 1025]) {
      const pairs = pattern(count * 64);
      const out = new Uint8Array(count * 32 + 1);
      kernel.parents(pairs, count, false, out, 1);
      for (const index of new Set([0, 3, 4, count - 1].filter((at) => at >= 0 && at < count))) {
        const expected = modelParent(pairs.subarray(index * 64, index * 64 + 64), false);
        expect(hex(out.subarray(1 + index * 32, 33 + index * 32)), `${index} of ${count}`).toBe(hex(expected));
      }
    }
    const root = new Uint8Array(32);
    kernel.parents(pattern(64), 1, true, root, 0);
    expect(hex(root)).toBe(hex(modelParent(pattern(64), true)));
  });

  test('keeps nothing of an earlier call', () => {
    subtree(kernel, new Uint8Array(65_536).fill(0xff), 0, false);
    expect(subtree(kernel, pattern(1), 0, true)).toBe(hex(noble(pattern(1))));
    expect(subtree(kernel, pattern(1025), 0, true)).toBe(hex(noble(pattern(1025))));
  });

  test('refuses more than its input area', () => {
    const tooMuch = new Uint8Array(SUBTREE_BYTES_MAX + 1);
    expect(refusal(() => kernel.subtree(tooMuch, 0, false, new Uint8Array(32), 0)).name).toBe('RangeError');
  });
});

test('the kernels agree on every length up to two chunks and around every chunk boundary', () => {
  const around = Array.from({ length: 64 }, (_, chunk) => [chunk * 1024 - 1, chunk * 1024, chunk * 1024 + 1]).flat();
  for (const length of [...Array.from({ length: 130 }, (_, at) => at), ...around.filter((at) => at > 0)]) {
    const [fast, portable] = kernels.map((kernel) => subtree(kernel, pattern(length), 7, false));
    expect(fast, `${length} bytes`).toBe(portable);
  }
});

describe('choosing an engine', () => {
  test('takes SIMD where the host has it, once for a thread', () => {
    expect(threadKernel().name).toBe('wasm-simd');
    expect(threadKernel()).toBe(threadKernel());
  });

  test('falls back to the portable engine where the host refuses modules or has none', () => {
    class Refused {
      constructor() {
        throw new Error('blocked by the content security policy');
      }
    }
    const host = { Module: Refused, Instance: Refused } as unknown as Parameters<typeof createEngine>[0];
    expect(createEngine(host).name).toBe('scalar');
    const kept = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly')!;
    try {
      Object.defineProperty(globalThis, 'WebAssembly', { ...kept, value: undefined });
      expect(createEngine().name).toBe('scalar');
    } finally {
      Object.defineProperty(globalThis, 'WebAssembly', kept);
    }
  });

  test('has fixed memory', () => {
    expect(simd.memory.byteLength).toBe(ENGINE_PAGES * 65_536);
  });
});
