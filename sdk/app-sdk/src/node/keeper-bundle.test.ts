import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { startBoxServer } from './testing/box-server.ts';

const worker = `
  import { connect } from './index.ts';
  const stop = new AbortController();
  const onError = (error) => console.log(error.message);
  const handler = () => stop.abort();
  await using ron = connect();
  await ron.mailbox('jobs').process(handler, { signal: stop.signal, onError });
`;

/** Bundles a program as its author would, with these files of the SDK beside it, and runs it against a node. */
async function runBundled(files: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ron-sdk-bundle-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const main = join(folder, 'main.mjs');
  const options = { bundle: true, format: 'esm', platform: 'node', target: 'node24' } as const;
  const stdin = { contents: worker, resolveDir: import.meta.dirname };
  await build({ ...options, stdin, outfile: main });
  for (const file of files) {
    await build({
      ...options,
      entryPoints: [join(import.meta.dirname, `${file}.ts`)],
      outfile: join(folder, `${file}.js`),
    });
  }
  await using server = await startBoxServer();
  const env = { ...process.env, RON_NODE_URL: server.url };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'], timeout: 50_000 });
  const said = await text(child.stdout);
  expect(await server.counts()).toMatchObject({ ack: 1 });
  return said;
}

test('a bundle without the file of the thread keeps leases in its loop, and says so', async () => {
  expect(await runBundled([])).toBe('the thread that keeps leases failed\n');
});

test('a bundle with the file of the thread beside it uses the thread', async () => {
  expect(await runBundled(['keeper-thread'])).toBe('');
});
