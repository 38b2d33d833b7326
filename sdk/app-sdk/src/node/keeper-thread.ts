import { parentPort, workerData } from 'node:worker_threads';
import { Caller } from '../caller.ts';
import { createLoopKeeper } from '../lease-keeper.ts';
import { extendCall } from '../mailbox-calls.ts';
import { webPlatform } from '../platform.ts';
import type { KeeperNotice, KeeperRequest, ThreadKeeperOptions } from './thread-keeper.ts';
import { transportOf } from './transport-of.ts';

/** The thread of `createThreadKeeper`: the same keeper as in a loop, in a loop where nothing else runs. */
const { url, capability } = workerData as ThreadKeeperOptions;
const caller = new Caller(transportOf(url, { capability: () => capability }), webPlatform);
const keeper = createLoopKeeper(extendCall(caller), webPlatform);
const released = new Map<number, () => void>();
const say = (notice: KeeperNotice) => parentPort!.postMessage(notice);

parentPort!.on('message', (request: KeeperRequest) => {
  const { id } = request;
  if (request.kind === 'release') {
    released.get(id)?.();
    released.delete(id);
    return;
  }
  const onLost = (reason: unknown) => {
    released.delete(id);
    say({ kind: 'lost', id, reason: reason instanceof Error ? reason.message : String(reason) });
  };
  released.set(id, keeper.keep(request.lease, onLost));
});
say({ kind: 'ready' });
