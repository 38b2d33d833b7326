import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withoutNodeSettings } from '../../support/node-process.ts';
import type { LoadPlan, LoadResult } from './plan.ts';
import { lengthMsOf } from './schedule.ts';

const entry = fileURLToPath(new URL('process.ts', import.meta.url));
/** Beyond its schedule and the last answer that it may wait for. */
const graceMs = 15_000;

/** A generator in a process of its own: neither the server's pauses nor the runner's show up as its own. */
export class Generator implements Disposable {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(entry, [], {
      serialization: 'advanced',
      env: withoutNodeSettings(process.env),
      execArgv: ['--max-semi-space-size=16'],
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** One plan at a time. */
  run(plan: LoadPlan): Promise<LoadResult> {
    const lengthMs = Math.max(...plan.lanes.map(({ phases }) => lengthMsOf(phases)));
    return new Promise((resolve, reject) => {
      const fail = (why: string) => finish(() => reject(new Error(`the generator ${why}`)));
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#child.off('message', onMessage).off('exit', onExit);
        settle();
      };
      const onMessage = (message: { result?: LoadResult; error?: string }) => {
        if (message.result === undefined) fail(`failed: ${message.error}`);
        else finish(() => resolve(message.result!));
      };
      const onExit = (code: number | null) => fail(`ended with ${code}`);
      const timer = setTimeout(() => fail('did not end in time'), lengthMs + plan.giveUpMs + graceMs);
      this.#child.on('message', onMessage).on('exit', onExit);
      this.#child.send(plan);
    });
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
