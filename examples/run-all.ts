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
];
/** Only ends one that hangs, on a machine with other work too. */
const deadlineMs = 240_000;

interface Outcome {
  readonly code: number | null;
  readonly text: string;
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
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    const timer = setTimeout(() => {
      keep(`\nno end within ${deadlineMs} ms`);
      child.kill('SIGKILL');
    }, deadlineMs);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, text });
    });
  });
}

let passed = 0;
let failed = 0;
let skipped = 0;
for (const path of examples) {
  const { code, text } = await runExample(path);
  const cannot = /^CANNOT RUN: .*$/m.exec(text)?.[0];
  if (code !== 0) {
    failed += 1;
    console.log(`FAILED  ${path}\n${text.replace(/^/gm, '        ')}`);
  } else if (cannot !== undefined) {
    skipped += 1;
    console.log(cannot);
  } else {
    passed += 1;
    console.log(`ok      ${path}: ${text.trimEnd().split('\n').at(-1)}`);
  }
}
if (failed > 0) process.exitCode = 1;
console.log(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
