import { connectLauncher, type LauncherClient } from '@ron/macronode/control';
import { macronodeMain, type NodeProcess, startNodeProcess } from './node-process.ts';

/** A macronode as a user runs it: the launcher's process, and its way in for an operator. */
export interface MacronodeProcess extends AsyncDisposable {
  readonly node: NodeProcess;
  readonly launcher: LauncherClient;
  /** Undefined while it is not there. */
  pidOf(process: string): Promise<number | undefined>;
}

/** On a free port, with its data in `folder`. */
export async function startMacronode(folder: string, args: readonly string[] = []): Promise<MacronodeProcess> {
  const own = ['--folder', folder, '--listen', '127.0.0.1:0', '--set', 'server.drain_ms=5000', ...args];
  const node = await startNodeProcess({ program: ['--max-semi-space-size=4', macronodeMain], args: own });
  const launcher = connectLauncher(folder);
  return {
    node,
    launcher,
    async pidOf(process) {
      const { processes } = await launcher.processes.list({});
      return processes.find((one) => one.process === process && one.ready)?.pid;
    },
    async [Symbol.asyncDispose]() {
      await launcher[Symbol.asyncDispose]();
      await node.stop();
    },
  };
}
