import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Session } from '../session.ts';

interface Flags {
  readonly profile: 'micro' | 'macro';
}

/** Runs a profile in this terminal until it ends; its flags follow a `--`. */
export async function runUp({ signal, environment }: Session, args: string[], { profile }: Flags): Promise<number> {
  const main = fileURLToPath(new URL(`../../../../profiles/${profile}node/dist/bundle/main.js`, import.meta.url));
  if (!existsSync(main)) {
    throw new CliError(exitCodes.configuration, `the ${profile}node has not been built`, {
      why: 'its bundle is made by npm ci',
      next: 'node tools/build/main.ts',
    });
  }
  const child = spawn(process.execPath, ['--disable-sigusr1', '--max-semi-space-size=4', main, ...args], {
    stdio: 'inherit',
    env: environment,
  });
  // A Ctrl-C of the terminal reaches the node by itself; being told here alone, the command tells it.
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (exit, by) => resolve(exit ?? 128 + (by === null ? 0 : constants.signals[by])));
  });
  signal.removeEventListener('abort', stop);
  return code;
}
