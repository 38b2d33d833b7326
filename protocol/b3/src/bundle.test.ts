import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** Bundles for a browser, which also shows that nothing of Node is imported. */
async function bundledBytes(source: string): Promise<number> {
  const result = await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
  });
  return gzipSync(result.outputFiles[0]!.contents).length;
}

test('the verifiers, even with the hash kernel, stay far under 20 KB gzipped', async () => {
  const verifiers = await bundledBytes(
    `export { createSliceVerifier, verifySlice } from './slice-verifier.ts'; export { createOutboardVerifier } from './outboard.ts';`,
  );
  expect(verifiers).toBeGreaterThan(1_000);
  expect(verifiers).toBeLessThan(8_000);
  expect(await bundledBytes(`export * from './index.ts';`)).toBeLessThan(10_000);
});
