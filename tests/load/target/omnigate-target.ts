import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { startProcess } from '../../support/child-process.ts';
import { type NodeProcess, startNodeProcess, withoutNodeSettings } from '../../support/node-process.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { treeRoot } from '../../support/tree-root.ts';
import { seed } from './seeding.ts';
import { type Backend, describeTarget, type Target, type TargetOptions } from './target.ts';

const names = ['a', 'b'] as const;
const startMsMax = 20_000;
/** A backend that was there before gets its whole share by then: two probes of 500 ms, and some. */
const settleMs = 1_500;

/**
 * `ron omnigate` in front of two nodes on disk. The second is a copy of the first, made while that was stopped, so that both
 * hold the same objects and names and check the same capabilities; what is written later is on one of them only.
 */
export async function startOmnigateTarget({ seed: seedNumber, args = [] }: TargetOptions): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder());
  const first = await startNodeProcess({ persist: folder.join(names[0]) });
  const { capability } = first;
  const seeded = await seed(first.url, capability, seedNumber).finally(() => first.stop());
  cpSync(folder.join(names[0]), folder.join(names[1]), { recursive: true });
  const backends = names.map((name) => createBackend(name, folder.join(name), folder.join(`${name}.oap`), args));
  for (const backend of backends) {
    stack.use(backend);
    await backend.start();
  }
  const listed = names.flatMap((name) => ['--backend', `${name}=unix:${folder.join(`${name}.oap`)}`]);
  const omnigate = stack.use(
    startProcess(
      process.execPath,
      [join(treeRoot, 'apps/ron/bin/ron.js'), 'omnigate', '--listen', '127.0.0.1:0', ...listed],
      { env: withoutNodeSettings(process.env) },
    ),
  );
  const [url] = await omnigate.sees(/http:\/\/127\.0\.0\.1:\d+/, startMsMax);
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const pids = {
    omnigate: omnigate.pid,
    ...Object.fromEntries(backends.map(({ name, node }) => [`backend ${name}`, node().pid])),
  };
  const issuerUrl = backends[0]!.node().url;
  const parts = { url, capability, pids, issuerUrl, seed: seedNumber, seeded, backends };
  const target = await describeTarget(parts, () => running.disposeAsync());
  const running = stack.move();
  return target;
}

interface OwnedBackend extends Backend, AsyncDisposable {
  node(): NodeProcess;
}

function createBackend(name: string, persist: string, socket: string, args: readonly string[]): OwnedBackend {
  let running: NodeProcess | undefined;
  const node = () => {
    if (running === undefined) throw new Error(`backend ${name} has not been started`);
    return running;
  };
  return {
    name,
    node,
    async kill() {
      node().kill('SIGKILL');
      await node().exited;
    },
    stop: () => node().stop(),
    async start() {
      running = await startNodeProcess({ persist, args: ['--oap', `unix:${socket}`, ...args], sheds: true });
      return running.pid;
    },
    [Symbol.asyncDispose]: async () => running?.stop(),
  };
}
