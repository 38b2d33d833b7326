import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { NodeProcess } from '../support/node-process.ts';
import { CannotRun, pause } from './scenario.ts';

/** Runs a program of the system to its end; its complaint is the reason why a scenario cannot run. */
export function system(what: string, command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    const why = code === 'ENOENT' ? `${command} is not installed` : (stderr ?? '').trim().split('\n')[0];
    throw new CannotRun(what, `${command}: ${why}`);
  }
}

/** Mounts, and unmounts when it is disposed of. */
export function mount(what: string, folder: string, ...args: readonly string[]): Disposable {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new CannotRun(what, 'needs root on Linux');
  system(what, 'mount', ...args, folder);
  return {
    [Symbol.dispose]: () => {
      try {
        execFileSync('umount', [folder], { stdio: 'ignore' });
      } catch {
        execFileSync('umount', ['--lazy', folder], { stdio: 'ignore' });
      }
    },
  };
}

/** Stops a process and waits until the kernel says that all of it stands still. */
export async function stopped(node: Pick<NodeProcess, 'kill' | 'pid'>): Promise<void> {
  node.kill('SIGSTOP');
  const stands = (task: string) => /\) [Tt] /.test(readFileSync(`/proc/${node.pid}/task/${task}/stat`, 'utf8'));
  // A thread within a sync stands still after it.
  for (let tries = 0; !readdirSync(`/proc/${node.pid}/task`).every(stands); tries++) {
    if (tries > 10_000) throw new Error('the process does not stop');
    await pause(1);
  }
}
