import { join } from 'node:path';
import { type OwnedProcess, startProcess } from './child-process.ts';
import { treeRoot } from './tree-root.ts';

/** A node as a user runs it: its own process, authorisation, quota and metrics on. */
export interface NodeProcess extends AsyncDisposable {
  readonly url: string;
  /** The owner's. */
  readonly capability: string;
  /** `host:port` or `unix:PATH`, when it was asked to listen for OAP. */
  readonly oap: string | undefined;
  readonly pid: number;
  readonly process: OwnedProcess;
  /** An orderly stop. */
  stop(): Promise<void>;
}

export interface NodeProcessOptions {
  /** Folder of a durable node; without it everything is in memory. */
  readonly persist?: string;
  readonly args?: readonly string[];
  /** Another command that runs node with these arguments, such as `strace … node`. */
  readonly through?: readonly [command: string, ...args: string[]];
}

const readyMsMax = 20_000;
export const micronodeMain = join(treeRoot, 'profiles/micronode/dist/bundle/main.js');

/** Starts the micronode profile on a free port and waits until it prints that it is ready. */
export async function startNodeProcess(options: NodeProcessOptions = {}): Promise<NodeProcess> {
  const [command, ...before] = options.through ?? [process.execPath];
  const persist = options.persist === undefined ? [] : ['--persist', options.persist];
  // As `npm start` does it.
  const args = [
    ...before,
    '--max-semi-space-size=4',
    micronodeMain,
    '--listen',
    '127.0.0.1:0',
    ...persist,
    ...(options.args ?? []),
  ];
  const owned = startProcess(command, args, { env: withoutNodeSettings(process.env) });
  try {
    const [, url, capability] = await owned.sees(/^export RON_NODE_URL=(\S+) RON_CAP=(\S+)$/m, readyMsMax);
    return {
      url: url!,
      capability: capability!,
      oap: /^OAP\/1 at (\S+)$/m.exec(owned.stdout())?.[1],
      pid: owned.pid,
      process: owned,
      stop: owned.stop,
      [Symbol.asyncDispose]: owned.stop,
    };
  } catch (error) {
    await owned.stop();
    throw error;
  }
}

/** What the caller's shell says about its own node must not reach a node that a test starts. */
export function withoutNodeSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(RON_|NODE_OPTIONS$|VITEST)/.test(name)));
}
