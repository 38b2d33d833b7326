import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface ExampleNode extends AsyncDisposable {
  readonly url: string;
  readonly capability: string;
}

export interface StartedNode extends ExampleNode {
  /** What it printed when it was ready. */
  readonly banner: string;
  /** Ends it as a crash does: nothing is drained, nobody is told. */
  kill(): Promise<void>;
}

const readyMsMax = 60_000;

/** The node of `RON_NODE_URL`, or a fresh one in RAM that ends with the example. */
export async function useNode(args: readonly string[] = []): Promise<ExampleNode> {
  const { RON_NODE_URL: url, RON_CAP: capability } = process.env;
  if (url !== undefined && capability !== undefined && args.length === 0) {
    return { url, capability, [Symbol.asyncDispose]: async () => undefined };
  }
  return startNode(args);
}

/** Runs the micronode profile on a free port until it is disposed; `command` goes before it, as `ip netns exec NAME`. */
export async function startNode(
  args: readonly string[] = [],
  { host = '127.0.0.1', command = [] }: { readonly host?: string; readonly command?: readonly string[] } = {},
): Promise<StartedNode> {
  const main = fileURLToPath(new URL('../profiles/micronode/src/main.ts', import.meta.url));
  const [program, ...parameters] = [...command, process.execPath, main, '--listen', `${host}:0`, ...args];
  const child = spawn(program!, parameters, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const line = await new Promise<RegExpExecArray>((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error('the node did not get ready'));
    }, readyMsMax);
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const match = /export RON_NODE_URL=(\S+) RON_CAP=(\S+)[\s\S]*^Then: .*$/m.exec(text);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match);
    });
    ended.then(() => {
      clearTimeout(timer);
      reject(new Error('the node ended'));
    });
  });
  return {
    url: line[1]!,
    capability: line[2]!,
    banner: line.input,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}
