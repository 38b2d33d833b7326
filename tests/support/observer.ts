import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What a process holds, after a collection of its garbage. */
export interface Observation {
  /** JavaScript heap and the buffers outside of it. */
  readonly heapBytes: number;
  /** Active timers, sockets, requests … by the name that Node gives them. */
  readonly resources: Readonly<Record<string, number>>;
  /** The longest turn of the event loop since the last observation. */
  readonly turnMsMax: number;
}

/** Loaded into a process before its own code, by `--import`: answers its parent over IPC and touches nothing else. */
function answerParent(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const turns = monitorEventLoopDelay({ resolution: 10 });
  turns.enable();
  process.on('message', () => {
    const turnMsMax = turns.max / 1e6;
    collect();
    turns.reset();
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    process.send?.({ heapBytes: heapUsed + arrayBuffers, resources, turnMsMax } satisfies Observation);
  });
  // Who listens to its parent does not live for it.
  process.channel?.unref();
}

answerParent();
