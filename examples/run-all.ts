import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** `npm run examples`: runs every example, one line each. What it printed is shown when it fails. */
const examples = [
  'kernel_demo/main.ts',
  'metrics_demo/main.ts',
  'put-get-name.ts',
  'site/main.ts',
  'two-processes/main.ts',
  'worker/main.ts',
  'browser-page/main.ts',
  'trust/main.ts',
  'quota_demo/main.ts',
  'tileserver/main.ts',
  'network/node_overlay/main.ts',
  'network/node_index/main.ts',
  'network/five_nodes/main.ts',
];
/** Only ends one that hangs, on a machine with other work too. */
const deadlineMs = 240_000;

interface Outcome {
  readonly code: number | null;
  readonly text: string;
  /** The last line of its standard output: what it came to, whatever its nodes say while they stop. */
  readonly last: string;
}

function runExample(path: string): Promise<Outcome> {
  const { RON_NODE_URL: _url, RON_CAP: _cap, ...env } = process.env;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, path)], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    const keep = (more: string) => {
      text += more;
    };
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      printed += more;
      keep(more);
    });
    child.stderr.setEncoding('utf8').on('data', keep);
    const timer = setTimeout(() => {
      keep(`\nno end within ${deadlineMs} ms`);
      child.kill('SIGKILL');
    }, deadlineMs);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, text, last: printed.trimEnd().split('\n').at(-1)! });
    });
  });
}

let passed = 0;
let failed = 0;
let skipped = 0;
for (const path of examples) {
  const { code, text, last } = await runExample(path);
  const cannot = /^CANNOT RUN: .*$/m.exec(text)?.[0];
  if (code !== 0) {
    failed += 1;
    console.log(`FAILED  ${path}\n${text.replace(/^/gm, '        ')}`);
  } else if (cannot !== undefined) {
    skipped += 1;
    console.log(cannot);
  } else {
    passed += 1;
    console.log(`ok      ${path}: ${last}`);
  }
}
if (failed > 0) process.exitCode = 1;
console.log(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
