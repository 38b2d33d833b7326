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
const chosen = readTree(root).files.filter(
  ({ path, isTest, text }) =>
    isTest && text.includes("'fast-check'") && (paths.length === 0 || paths.some((start) => path.startsWith(start))),
);
// A suite that many tests share keeps its properties in files of its own.
const files = chosen.map(({ path }) => path).concat(paths.length === 0 ? ['tests/contract/engines'] : []);
console.log(`${files.length} files, every property ${times} times as often`);
const vitest = spawn(join(root, 'node_modules/.bin/vitest'), ['run', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, RON_RUNS_TIMES: times },
});
vitest.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
