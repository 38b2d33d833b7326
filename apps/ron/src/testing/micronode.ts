import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const main = join(import.meta.dirname, '..', '..', '..', '..', 'profiles', 'micronode', 'src', 'main.ts');

export interface TestNode extends AsyncDisposable {
  /** `RON_NODE_URL` and `RON_CAP` as the node prints them. */
  readonly env: Readonly<Record<string, string>>;
  /** What a durable node prints once. */
  readonly bootstrapSecret: string | undefined;
}

/** A real node in its own process, on a free port; in memory, unless `options` say otherwise. */
export async function startMicronode(options: readonly string[] = []): Promise<TestNode> {
  const line = [main, '--listen', '127.0.0.1:0', ...options];
  const child = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'inherit'] });
  const stopped = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  let exported: RegExpExecArray | null = null;
  let bootstrapSecret: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    exported ??= /^export RON_NODE_URL=(\S+) RON_CAP=(\S+)$/.exec(line);
    bootstrapSecret ??= /^RON_BOOTSTRAP_SECRET=(\S+) /.exec(line)?.[1];
    // The last line of what it prints.
    if (exported === null || !line.startsWith('Then: ')) continue;
    return {
      env: { RON_NODE_URL: exported[1]!, RON_CAP: exported[2]! },
      bootstrapSecret,
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM');
        await stopped;
      },
    };
  }
  throw new Error('the node ended before it was ready');
}
