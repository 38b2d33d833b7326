import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runStep, type StepResult } from './run-step.ts';
import { addCounts, countStep, countTests, failuresOf, lastLine, type VitestReport } from './summary.ts';

const root = mkdtempSync(join(tmpdir(), 'ron-gate-test-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(source: string, deadlineMs = 50_000): Promise<StepResult & { output: string }> {
  writeFileSync(join(root, 'step.ts'), source);
  let output = '';
  const write = (bytes: Uint8Array | string) => {
    output += Buffer.from(bytes).toString('utf8');
  };
  const result = await runStep({ name: 'step', script: 'step.ts', args: ['one'], deadlineMs }, { root, write });
  return { ...result, output };
}

test('a step passes by its exit code, and its output is passed on', async () => {
  const good = await run('console.log(process.argv[2] as string); console.error("two");');
  expect(good).toMatchObject({ ok: true, reason: '', cannotRun: [] });
  expect(good.output).toContain('one\n');
  expect(good.output).toContain('two\n');
  expect(await run('process.exitCode = 3;')).toMatchObject({ ok: false, reason: 'exit 3' });
  expect(await run('process.kill(process.pid, "SIGKILL");')).toMatchObject({ ok: false, reason: 'exit SIGKILL' });
});

test('a missing script is a failure', async () => {
  const result = await runStep(
    { name: 'x', script: 'no.ts', args: [], deadlineMs: 1 },
    { root, write: () => undefined },
  );
  expect(result).toMatchObject({ ok: false, reason: 'no.ts does not exist' });
});

test('a step past its deadline dies with what it started', async () => {
  const stuck = `import { spawn } from 'node:child_process';
     const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'ignore' });
     console.log('pid', child.pid);
     setInterval(() => {}, 1000);`;
  let pid = 0;
  // A busy machine may not get so far within a second: then it gets longer.
  for (let seconds = 1; pid === 0 && seconds < 60; seconds *= 3) {
    const result = await run(stuck, seconds * 1_000);
    expect(result).toMatchObject({ ok: false, reason: `past its deadline of ${seconds} s` });
    pid = Number(/pid (\d+)/.exec(result.output)?.[1] ?? 0);
  }
  expect(pid).toBeGreaterThan(0);
  // A killed orphan may stay a zombie until it is reaped; either way it no longer runs.
  await expect.poll(() => isRunning(pid), { timeout: 30_000 }).toBe(false);
}, 120_000);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const { status } = processState(pid);
  return status !== 'Z' && status !== 'X';
}

function processState(pid: number): { readonly status: string } {
  if (process.platform !== 'linux') return { status: 'R' };
  try {
    const text = process.getBuiltinModule('node:fs').readFileSync(`/proc/${pid}/stat`, 'utf8');
    return { status: text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3) };
  } catch {
    return { status: 'X' };
  }
}

test('what a step cannot run is collected once each, from both streams', async () => {
  const result = await run(
    'console.log("CANNOT RUN: power cut: needs root"); console.error("\\u001b[22m\\u001b[39mCANNOT RUN: s3: no URL\\u001b[0m"); console.log("CANNOT RUN: s3: no URL"); process.stdout.write("CANNOT RUN: last: no newline");',
  );
  expect([...result.cannotRun].sort()).toEqual(['last: no newline', 'power cut: needs root', 's3: no URL']);
  expect(countStep(result)).toEqual({ passed: 1, failed: 0, skipped: 3 });
});

const step = (ok: boolean): StepResult => ({ name: 'tests', ok, wallMs: 0, reason: '', cannotRun: [] });
const report = (passed: number, failed: number, files: VitestReport['testResults'] = []): VitestReport => ({
  numPassedTests: passed,
  numFailedTests: failed,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: files,
});

test('tests are counted one by one, and nothing that failed is lost', () => {
  expect(countTests(report(5, 0), step(true))).toEqual({ passed: 5, failed: 0, skipped: 2 });
  expect(countTests(report(5, 2), step(false))).toEqual({ passed: 5, failed: 2, skipped: 2 });
  expect(countTests(report(5, 0), step(false)).failed).toBe(1);
  expect(countTests(report(0, 0), step(true)).failed).toBe(1);
  expect(countTests(undefined, step(true)).failed).toBe(1);
  expect(countTests(report(5, 1, [broken, ordinary]), step(false)).failed).toBe(2);
});

test('what failed is named again with its reason, shortened', () => {
  const lines = failuresOf(report(5, 1, [broken, ordinary]))
    .join('\n')
    .split('\n');
  expect(lines.slice(0, 4)).toEqual([
    'FAILED: a.test.ts',
    '  no such import',
    'FAILED: b.test.ts > one adds',
    '  line 0',
  ]);
  expect(lines.at(-1)).toBe('  line 29');
  expect(failuresOf(undefined)).toEqual([]);
});

const broken = { name: 'a.test.ts', status: 'failed', message: 'no such import', assertionResults: [] };
const ordinary = {
  name: 'b.test.ts',
  status: 'failed',
  assertionResults: [
    { status: 'passed', fullName: 'one', failureMessages: [] },
    {
      status: 'failed',
      fullName: 'one adds',
      failureMessages: [Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n')],
    },
  ],
};

test('the last line', () => {
  expect(lastLine(addCounts([countStep(step(true)), countStep(step(false))]))).toBe('1 passed, 1 failed');
  expect(lastLine({ passed: 12, failed: 0, skipped: 3 })).toBe('12 passed, 0 failed, 3 skipped');
});
