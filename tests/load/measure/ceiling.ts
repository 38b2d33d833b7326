import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withoutNodeSettings } from '../../support/node-process.ts';
import type { Generator } from '../generator/generator.ts';
import type { LoadPlan } from '../generator/plan.ts';
import { findSaturation } from './saturation.ts';
import { phaseOf, unfitness } from './summary.ts';

const entry = fileURLToPath(new URL('../generator/trivial-server.ts', import.meta.url));
const startMsMax = 10_000;

/** A server that does nothing but answer, in a process of its own. */
export interface TrivialServer extends Disposable {
  readonly port: number;
  readonly url: string;
}

export function startTrivialServer(bodyBytes: number): Promise<TrivialServer> {
  const child = fork(entry, [String(bodyBytes)], { env: withoutNodeSettings(process.env) });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the trivial server did not start')), startMsMax);
    child.once('exit', (code) => reject(new Error(`the trivial server ended with ${code}`)));
    child.once('message', ({ port }: { port: number }) => {
      clearTimeout(timer);
      resolve({ port, url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void child.kill('SIGKILL') });
    });
  });
}

/** Seconds of the last step that are left out: connections are made, code gets hot. */
const warmSeconds = 0.3;

/** What the generator reaches, a second, against a server that does nothing: above it, it measures itself. */
export async function ceilingOf(
  generator: Generator,
  bodyBytes: number,
  quick: boolean,
  seed: number,
): Promise<number> {
  using server = await startTrivialServer(bodyBytes);
  const measure = async (perSecond: number) => {
    const phases = [
      { name: 'warm', seconds: warmSeconds, perSecond },
      { name: 'measured', seconds: quick ? 0.5 : 2, perSecond },
    ];
    const requests = [{ kind: 'get', name: 'get', share: 1, targets: ['/'], bytes: bodyBytes }] as const;
    const lanes = [{ name: '', capability: 'x'.repeat(240), arrivals: 'poisson', phases, requests }] as const;
    const plan: LoadPlan = {
      host: '127.0.0.1',
      port: server.port,
      lanes,
      seed,
      addressFrom: 0,
      ...limitsOf(256),
      bucketMs: 250,
    };
    const result = await generator.run(plan);
    const { goodput, p99Ms } = phaseOf(result, 'measured');
    return { offered: perSecond, goodput, p99Ms, lost: '', unfit: unfitness(result.generator) };
  };
  const ramp = { fromPerSecond: 8_000, toPerSecond: 130_000, factor: 2, refinements: quick ? 1 : 3 };
  return (await findSaturation(measure, ramp)).peakPerSecond;
}

/** Deadlines and bounds of every load: answers after 1 s do not count, and after 5 s nobody waits for them. */
export function limitsOf(connectionsMax: number) {
  return { connectionsMax, connectionsPerAddressMax: 48, waitMs: 100, deadlineMs: 1_000, giveUpMs: 5_000 } as const;
}
