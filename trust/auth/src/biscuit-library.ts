import type * as Module from '@biscuit-auth/biscuit-wasm';

/** The part of the library that is used: it checks the chain of signatures. Its Datalog is never run, so no run limits apply. */
export interface BiscuitLibrary {
  /** Whether `bytes` is a chain of signatures that begins with this raw Ed25519 root key. */
  isGenuine(bytes: Uint8Array, rootKey: Uint8Array): boolean;
}

let loaded: BiscuitLibrary | undefined;
let loading: Promise<BiscuitLibrary> | undefined;

/** At once when the library is there, else after its import of some 30 ms and 2.4 MB: nodes that see no such token do without. */
export function biscuitLibrary(): BiscuitLibrary | Promise<BiscuitLibrary> {
  if (loaded !== undefined) return loaded;
  loading ??= importQuietly().then(
    (module) => {
      loaded = { isGenuine: (bytes, rootKey) => isGenuine(module, bytes, rootKey) };
      return loaded;
    },
    (error: unknown) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

function isGenuine(module: typeof Module, bytes: Uint8Array, rootKey: Uint8Array): boolean {
  const root = module.PublicKey.fromBytes(rootKey, module.SignatureAlgorithm.Ed25519);
  try {
    module.Biscuit.fromBytes(bytes, root).free();
    return true;
  } catch (error) {
    // The library refuses with a plain object. An `Error` is a fault of its own: not the bearer's, and not a verdict.
    if (error instanceof Error) throw error;
    return false;
  } finally {
    root.free();
  }
}

/**
 * The library writes a line on stdout, which belongs to whoever runs the program, and Node warns of the WebAssembly import.
 * Both are left out while the import lasts; everything else that is said meanwhile passes.
 */
async function importQuietly(): Promise<typeof Module> {
  const { log } = console;
  const { emitWarning } = process;
  console.log = (...values: unknown[]) => {
    if (!String(values[0]).startsWith('biscuit-wasm')) log.apply(console, values);
  };
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).includes('Importing WebAssembly')) emitWarning.call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return await import('@biscuit-auth/biscuit-wasm');
  } finally {
    console.log = log;
    process.emitWarning = emitWarning;
  }
}
