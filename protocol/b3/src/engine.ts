import { emitModule } from './emit.ts';
import { createScalarEngine } from './scalar.ts';

/**
 * Compresses up to four equal runs of blocks that lie `stride` bytes apart in the engine's memory, and writes their
 * chaining values one after the other at `out`. Lane i has the block counter `counter + i·counterStep`, given as two
 * 32-bit words. `firstFlags` are added on the first block and `lastFlags` on the last, whose length is `lastBytes`.
 * All four lanes may be read and written even when `count` is smaller.
 */
export type Lanes = (
  input: number,
  stride: number,
  blocks: number,
  counterLow: number,
  counterHigh: number,
  counterStep: number,
  flags: number,
  firstFlags: number,
  lastFlags: number,
  lastBytes: number,
  out: number,
  count: number,
) => void;

export interface Engine {
  readonly name: 'wasm-simd' | 'scalar';
  /** Fixed for the engine's life, zero at the start. */
  readonly memory: ArrayBuffer;
  readonly lanes: Lanes;
}

/** Two WebAssembly pages: 64 KiB of input, as much for chaining values and for what unused lanes touch. */
export const ENGINE_PAGES = 2;
const PAGE_BYTES = 65_536;

interface WebAssemblyHost {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly lanes: Lanes } };
}

/**
 * The SIMD engine, or undefined where WebAssembly or its SIMD is missing or forbidden (a content security policy).
 * `host` is the global `WebAssembly` unless a test gives another.
 */
export function createSimdEngine(
  host = (globalThis as { WebAssembly?: WebAssemblyHost }).WebAssembly,
): Engine | undefined {
  if (host === undefined) return undefined;
  try {
    const { memory, lanes } = new host.Instance(new host.Module(emitModule(ENGINE_PAGES))).exports;
    return { name: 'wasm-simd', memory: memory.buffer, lanes };
  } catch {
    // Refused by the host: the scalar engine gives the same bytes, only slower.
    return undefined;
  }
}

/** The fastest engine that this host allows. */
export function createEngine(host?: WebAssemblyHost): Engine {
  return createSimdEngine(host) ?? createScalarEngine(ENGINE_PAGES * PAGE_BYTES);
}
