import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { readTree } from '../tree.ts';

/**
 * `npm run chance -- [TIMES [PATH…]]`: the tests that use fast-check, each property TIMES as often as in the gate (20
 * unless told). What fails there once in a thousand runs fails here, with the seed that replays it.
 */
const root = join(import.meta.dirname, '../..');
const [times = '20', ...paths] = process.argv.slice(2);
if (!/^[1-9]\d{0,3}$/.test(times)) {
  console.error(`TIMES is a number from 1 to 9999, not ${times}`);
  process.exit(2);
}
// The suites of the engines keep their properties in files beside the tests.
const usesIt = ({ path, text }: { readonly path: string; readonly text: string }) =>
  text.includes("'fast-check'") || path.startsWith('tests/contract/engines/');
const files = readTree(root)
  .files.filter((file) => file.isTest && usesIt(file))
  .map(({ path }) => path)
  .filter((path) => paths.length === 0 || paths.some((start) => path.startsWith(start)));
if (files.length === 0) {
  console.error(`no test there uses fast-check: ${paths.join(' ')}`);
  process.exit(2);
}
console.log(`${files.length} files, every property ${times} times as often`);
const vitest = spawn(join(root, 'node_modules/.bin/vitest'), ['run', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, RON_RUNS_TIMES: times },
});
vitest.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
