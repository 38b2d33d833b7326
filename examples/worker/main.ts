import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@ron/app-sdk/node';
import { startNode } from '../start-node.ts';

/**
 * Jobs in a mailbox, and a worker that is killed in the middle of one. Each job is delivered at least once and done once
 * in effect: the effect is a name that must be new.
 */
const jobs = Array.from({ length: 20 }, (_, index) => ({ job: `job-${index + 1}`, number: index + 1 }));
const fatal = 'job-7';
/** Only ends a wait for a worker that hangs. */
const emptyMsMax = 120_000;

interface Delivery {
  readonly job: string;
  readonly attempt: number;
  /** This delivery had the effect. */
  readonly stored: boolean;
}

await using node = await startNode();
await using ron = connect({ url: node.url, capability: node.capability });
const mailbox = ron.mailbox('jobs');
const deliveries: Delivery[] = [];

for (const job of jobs) await mailbox.send(JSON.stringify(job), { idempotencyKey: job.job });
const again = await mailbox.send(JSON.stringify(jobs[0]), { idempotencyKey: jobs[0]!.job });
assert.equal(again.duplicate, true);
console.log(`sent ${jobs.length} jobs; sending the first one again added nothing`);

const first = startWorker(fatal);
await first.reaches(fatal);
first.child.kill('SIGKILL');
await first.ended;
console.log(`worker ${first.child.pid} is killed: ${fatal} has its result, and nobody acknowledged it`);

const second = startWorker();
await untilEmpty();
second.child.kill('SIGTERM');
assert.deepEqual(await second.ended, [0, null], 'the second worker stops cleanly');
console.log(`worker ${second.child.pid} went on, and stopped when it was asked to`);
await check();

function startWorker(...args: string[]) {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL('worker.ts', import.meta.url)), ...args], {
    env: { ...process.env, RON_NODE_URL: node.url, RON_CAP: node.capability },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! });
  const reached = new Map<string, () => void>();
  lines.on('line', (line) => {
    const delivery = JSON.parse(line) as Delivery;
    deliveries.push(delivery);
    reached.get(delivery.job)?.();
  });
  const ended = once(child, 'close');
  const reaches = (job: string) => {
    const there = new Promise<void>((resolve) => reached.set(job, resolve));
    return Promise.race([there, ended.then(() => assert.fail(`the worker ended before it reached ${job}`))]);
  };
  return { child, ended, reaches };
}

async function untilEmpty(): Promise<void> {
  for (const endMs = performance.now() + emptyMsMax; performance.now() < endMs; await sleep(50)) {
    const { ready, delayed, in_flight } = await mailbox.stats();
    if (ready + delayed + in_flight === 0) return;
  }
  assert.fail(`jobs are left after ${emptyMsMax} ms`);
}

async function check(): Promise<void> {
  const results = await Array.fromAsync(ron.names.list('results/'));
  assert.equal(results.length, jobs.length);
  for (const { name, version } of results) assert.equal(version, 1, `${name} was set once`);
  for (const { job, number } of jobs) {
    const found = await ron.names.get(`results/${job}`);
    assert.equal(await found.text(), `${number} squared is ${number ** 2}`);
  }
  const [done, ...more] = deliveries.filter(({ job }) => job === fatal);
  assert.ok(done?.stored && more.length > 0, 'it was delivered again after its effect was there');
  for (const { attempt, stored } of more) assert.deepEqual([attempt > done.attempt, stored], [true, false]);
  assert.equal(deliveries.filter(({ stored }) => stored).length, jobs.length);
  assert.deepEqual(await Array.fromAsync(mailbox.deadLetters()), []);
  console.log(
    `${fatal} was delivered ${1 + more.length} times and had its effect once; the box is empty, no dead letters`,
  );
  console.log(`${deliveries.length} deliveries, ${results.length} results`);
}
