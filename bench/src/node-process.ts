import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start, until } from './processes.ts';

/** A node as a user runs it: its own process, authorisation, quota and metrics on. */
export interface NodeProcess extends AsyncDisposable {
  readonly url: string;
  readonly capability: string;
  readonly pid: number;
  /** Milliseconds from spawn to the banner. */
  readonly readyMs: number;
}

const main = join(fileURLToPath(new URL('../..', import.meta.url)), 'profiles/micronode/dist/bundle/main.js');

export interface NodeOptions {
  readonly persist?: string;
  readonly args?: readonly string[];
  /** Beside the environment of the benchmark. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startNode(options: NodeOptions = {}): Promise<NodeProcess> {
  const began = performance.now();
  const persist = options.persist === undefined ? [] : ['--persist', options.persist];
  const running = start(
    process.execPath,
    ['--max-semi-space-size=4', main, '--listen', '127.0.0.1:0', ...persist, ...(options.args ?? [])],
    options.env,
  );
  const line = /export RON_NODE_URL=(\S+) RON_CAP=(\S+)/;
  let readyMs = 0;
  await until(() => {
    if (running.child.exitCode !== null) throw new Error(`the node ended with ${running.child.exitCode}`);
    if (readyMs === 0 && line.test(running.stdout())) readyMs = performance.now() - began;
    return readyMs > 0;
  }, 'the node being ready');
  const [, url, capability] = line.exec(running.stdout())!;
  return {
    url: url!,
    capability: capability!,
    pid: running.child.pid!,
    readyMs,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
