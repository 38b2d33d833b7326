import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const main = join(import.meta.dirname, '..', '..', '..', '..', 'profiles', 'micronode', 'src', 'main.ts');

export interface TestNode extends AsyncDisposable {
  /** `RON_NODE_URL` and `RON_CAP` as the node prints them. */
  readonly env: Readonly<Record<string, string>>;
}

/** A real node in memory, in its own process, on a free port. */
export async function startMicronode(): Promise<TestNode> {
  const child = spawn(process.execPath, [main, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const stopped = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) {
    const match = /^export RON_NODE_URL=(\S+) RON_CAP=(\S+)$/.exec(line);
    if (match === null) continue;
    return {
      env: { RON_NODE_URL: match[1]!, RON_CAP: match[2]! },
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM');
        await stopped;
      },
    };
  }
  throw new Error('the node ended before it was ready');
}
