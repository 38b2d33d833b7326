import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** Bytes, gzipped. What a page pays for the SDK with its hash kernel; measured 29.0 KB. */
const gzippedBytesMax = 32_000;

test('the browser build needs nothing of Node and stays small', async () => {
  const result = await build({
    entryPoints: [`${import.meta.dirname}/index.ts`],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
  });
  const imports = Object.values(result.metafile.inputs).flatMap((input) => input.imports.map(({ path }) => path));
  expect(imports.filter((path) => path.startsWith('node:'))).toEqual([]);
  expect(Object.keys(result.metafile.inputs).filter((path) => /typebox|svc-|core\//.test(path))).toEqual([]);
  const bytes = gzipSync(result.outputFiles[0]!.contents, { level: 9 }).byteLength;
  console.info(`browser build of the SDK: ${bytes} bytes gzipped`);
  expect(bytes).toBeGreaterThan(5_000);
  expect(bytes).toBeLessThan(gzippedBytesMax);
});
