import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withoutNodeSettings } from '../../support/node-process.ts';
import type { SlowPlan, SlowState } from './slow-process.ts';

const entry = fileURLToPath(new URL('slow-process.ts', import.meta.url));
const answerMsMax = 10_000;

/** Slow clients in a process of their own, which ends with this one. */
export interface SlowClients extends Disposable {
  readonly pid: number;
  state(): Promise<SlowState>;
}

export function startSlowClients(plan: SlowPlan): SlowClients {
  const child = fork(entry, [], { env: withoutNodeSettings(process.env) });
  child.send(plan);
  return {
    pid: child.pid ?? -1,
    state: () =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('the slow clients do not answer')), answerMsMax);
        child.once('message', (state: SlowState) => {
          clearTimeout(timer);
          resolve(state);
        });
        child.send('state');
      }),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}
