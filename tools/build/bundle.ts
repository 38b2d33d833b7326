import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

interface Profile {
  readonly folder: string;
  /** By the name of the file in the bundle. */
  readonly entries: Readonly<Record<string, string>>;
}

const profiles: readonly Profile[] = [
  { folder: 'profiles/micronode', entries: { main: 'src/main.ts' } },
  // The launcher, and what it starts: each process loads its own part.
  { folder: 'profiles/macronode', entries: { main: 'src/main.ts', process: 'src/process/main.ts' } },
];
/** Newer than the sources only when all of them are. */
export const bundleFiles = profiles.map(({ folder }) => `${folder}/dist/bundle/main.js`);

/** Folders whose code can end up in a bundle. */
export const sources: readonly string[] = ['protocol', 'core', 'trust', 'net', 'data', 'front', 'profiles'];

/** Native addons, WebAssembly with files beside it, what starts threads from files of its own, and CommonJS that is imported late (its names would be lost). */
const external = [
  'lmdb',
  '@napi-rs/blake-hash',
  '@biscuit-auth/biscuit-wasm',
  '@cedar-policy/cedar-wasm',
  'pg',
  'pino',
  'prom-client',
];

export async function buildBundle(root: string): Promise<void> {
  for (const profile of profiles) await buildProfile(root, profile);
}

/** Takes the place of the old one when it is whole: who starts a node meanwhile finds a bundle. */
async function buildProfile(root: string, { folder, entries }: Profile): Promise<void> {
  const output = `${folder}/dist/bundle`;
  const fresh = `${output}.${process.pid}`;
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, `${folder}/${path}`])),
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
  await rm(join(root, output), { recursive: true, force: true });
  await rename(join(root, fresh), join(root, output));
}

/** True when a bundle is missing, or a source or the lock file is newer than it. */
export async function isStale(root: string): Promise<boolean> {
  let builtMs = Number.POSITIVE_INFINITY;
  for (const file of bundleFiles) {
    const built = await stat(join(root, file)).catch(() => undefined);
    if (built === undefined) return true;
    builtMs = Math.min(builtMs, built.mtimeMs);
  }
  const newer = async (path: string) => (await stat(join(root, path))).mtimeMs > builtMs;
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
