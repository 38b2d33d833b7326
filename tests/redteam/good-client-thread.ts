import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import type { GoodTarget, Phase, Service, ToThread } from './good-client.ts';

interface Answer {
  readonly ms: number;
  readonly machineMs: number;
  readonly failure: string | undefined;
}

const { secure, port, path, headers, expected, localAddress } = workerData as GoodTarget & {
  readonly localAddress: string | undefined;
};
/** What is merely slow is judged by its percentiles. */
const answerMsMax = 30_000;
const pauseMs = 2;
const shed = 'shed';
/** Answers of a phase that are remembered: the latest. */
const answersMax = 4_000;

const answers: Record<Phase, Answer[]> = { before: [], during: [], after: [] };
let phase: Phase = 'before';

const parts = localAddress === undefined ? {} : { localAddress };
const agent = new (secure ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
const machineAgent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function read(of: http.Agent | https.Agent, atPort: number, again = true): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port: atPort, path, headers, agent: of, timeout: answerMsMax, ...parts };
    const get = of === agent && secure ? https.get : http.get;
    const request = get({ ...options, rejectUnauthorized: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('error', (error) => resolve(error.message));
      response.on('end', () => {
        const right = response.statusCode === 200 && body === expected;
        const polite = response.statusCode === 503 && response.headers['retry-after'] !== undefined;
        resolve(
          right ? undefined : polite && /"gate"/.test(body) ? shed : `${response.statusCode} ${body.slice(0, 200)}`,
        );
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer in ${answerMsMax} ms`)));
    request.on('error', (error: NodeJS.ErrnoException) => {
      // The server may close an idle connection in the moment in which it is used again: clients ask again.
      if (again && request.reusedSocket && error.code === 'ECONNRESET') resolve(read(of, atPort, false));
      else resolve(error.code ?? error.message);
    });
  });
}

/** The nearest rank: p of all answers are not above it. */
function rank(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)] ?? 0;
}

function serviceOf(of: readonly Answer[]): Service {
  const times = of.map(({ ms }) => ms).sort((a, b) => a - b);
  const machine = of.map(({ machineMs }) => machineMs).sort((a, b) => a - b);
  return {
    asked: of.length,
    p50Ms: rank(times, 0.5),
    p99Ms: rank(times, 0.99),
    failures: of.flatMap(({ failure }) => (failure === undefined || failure === shed ? [] : [failure])),
    shed: of.filter(({ failure }) => failure === shed).length,
    machineP99Ms: rank(machine, 0.99),
  };
}

async function timed(task: Promise<string | undefined>): Promise<[ms: number, failure: string | undefined]> {
  const from = performance.now();
  const failure = await task;
  return [performance.now() - from, failure];
}

async function main(): Promise<void> {
  const bare = http.createServer((_request, response) => response.end(expected));
  await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
  const barePort = (bare.address() as AddressInfo).port;
  const waiting: { phase: Phase; askedMin: number }[] = [];
  parentPort!.on('message', (message: ToThread) => {
    if ('report' in message) waiting.push({ phase: message.report, askedMin: message.askedMin });
    else {
      phase = message.phase;
      // What was seen before adds up over the attacks on one node; the others are of one attack.
      if (phase === 'during') answers.during = [];
      if (phase === 'after') answers.after = [];
    }
  });
  for (;;) {
    const began = phase;
    const [ms, failure] = await timed(read(agent, port));
    const [machineMs] = await timed(read(machineAgent, barePort));
    answers[began].push({ ms, machineMs, failure });
    if (answers[began].length > answersMax) answers[began].shift();
    const ready = waiting.findIndex((report) => answers[report.phase].length >= report.askedMin);
    if (ready >= 0) parentPort!.postMessage(serviceOf(answers[waiting.splice(ready, 1)[0]!.phase]));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

void main();
