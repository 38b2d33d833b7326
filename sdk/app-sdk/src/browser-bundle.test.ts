import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** Bytes, gzipped. What a page pays for the SDK with its hash kernel; measured 32.3 KB. */
const gzippedBytesMax = 33_000;
/** The same with everything that is loaded later, as a bundler gives it that makes one file; measured 43.4 KB. */
const wholeBytesMax = 44_500;

async function bundle(external: string[]) {
  const result = await build({
    entryPoints: [`${import.meta.dirname}/index.ts`],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external,
  });
  const imports = Object.values(result.metafile.inputs).flatMap((input) => input.imports);
  const bytes = gzipSync(result.outputFiles[0]!.contents, { level: 9 }).byteLength;
  return { inputs: Object.keys(result.metafile.inputs), imports, bytes };
}

test('the browser build needs nothing of Node and stays small', async () => {
  const { inputs, imports, bytes } = await bundle([]);
  expect(imports.filter(({ path }) => path.startsWith('node:'))).toEqual([]);
  expect(inputs.filter((path) => /typebox|svc-|core\//.test(path))).toEqual([]);
  console.info(`browser build of the SDK, all of it: ${bytes} bytes gzipped`);
  expect(bytes).toBeLessThan(wholeBytesMax);
});

test('a page loads what passports, receipts and registries need only when it uses them', async () => {
  const { inputs, imports, bytes } = await bundle(['./trust.ts']);
  const later = imports.filter(({ path }) => path.endsWith('/trust.ts'));
  expect(later.map(({ kind }) => kind)).toEqual(['dynamic-import']);
  expect(inputs.filter((path) => /tlog|protocol\/signed/.test(path))).toEqual([]);
  console.info(`browser build of the SDK, at first: ${bytes} bytes gzipped`);
  expect(bytes).toBeGreaterThan(5_000);
  expect(bytes).toBeLessThan(gzippedBytesMax);
});
