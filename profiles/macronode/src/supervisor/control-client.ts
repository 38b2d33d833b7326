import { createRealEnv } from '@ron/kernel/real';
import type { Peer } from '@ron/proto/contract';
import { processesContract } from '@ron/proto/processes';
import { OapLink } from '@ron/service';
import { controlSocket } from './control.ts';

export interface LauncherClient extends AsyncDisposable {
  readonly processes: Peer<typeof processesContract>;
}

/** The launcher of the macronode that keeps its data in `folder`, an absolute path. Calls reject with `unavailable` when none runs. */
export function connectLauncher(folder: string): LauncherClient {
  const address = { kind: 'unix', path: controlSocket(`${folder}/run`) } as const;
  const link = new OapLink({ env: createRealEnv(), address, capability: () => undefined, agent: 'ron' });
  return {
    processes: link.peer(processesContract),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}
