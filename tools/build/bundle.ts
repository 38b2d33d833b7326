import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const entry = 'profiles/micronode/src/main.ts';
const outputFolder = 'profiles/micronode/dist/bundle';
export const bundleFile = `${outputFolder}/main.js`;

/** Folders whose code can end up in a bundle. */
export const sources: readonly string[] = ['protocol', 'core', 'trust', 'net', 'data', 'front', 'profiles'];

/** Native addons, WebAssembly with files beside it, what starts threads from files of its own, and CommonJS that is imported late (its names would be lost). */
const external = [
  'lmdb',
  '@napi-rs/blake-hash',
  '@biscuit-auth/biscuit-wasm',
  '@cedar-policy/cedar-wasm',
  'pino',
  'prom-client',
];

/** Takes the place of the old one when it is whole: who starts a node meanwhile finds a bundle. */
export async function buildBundle(root: string): Promise<void> {
  const fresh = `${outputFolder}.${process.pid}`;
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outdir: fresh,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    sourcemap: 'linked',
    external,
    logLevel: 'error',
    // Some dependencies are CommonJS and call `require` for Node's own modules.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
  });
  await rm(join(root, outputFolder), { recursive: true, force: true });
  await rename(join(root, fresh), join(root, outputFolder));
}

/** True when there is no bundle, or a source or the lock file is newer than it. */
export async function isStale(root: string): Promise<boolean> {
  const built = await stat(join(root, bundleFile)).catch(() => undefined);
  if (built === undefined) return true;
  const newer = async (path: string) => (await stat(join(root, path))).mtimeMs > built.mtimeMs;
  if (await newer('package-lock.json')) return true;
  for (const folder of sources) {
    for (const path of await readdir(join(root, folder), { recursive: true })) {
      if (
        !path.endsWith('.ts') ||
        path.includes('node_modules') ||
        path.includes('/dist/') ||
        path.endsWith('.test.ts')
      )
        continue;
      if (await newer(`${folder}/${path}`)) return true;
    }
  }
  return false;
}
