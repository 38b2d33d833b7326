import type { Handler } from '@ron/proto/contract';
import type { omnigateContract } from '@ron/proto/omnigate';
import type { Front } from '../front.ts';

export function createBackends({ backends, queue }: Front): Handler<typeof omnigateContract.operations.backends> {
  return () => ({
    backends: backends.all.map((backend) => backend.view()),
    queue: { waiting: queue.waiting, cost: Math.round(queue.backlog), lanes: queue.lanes },
  });
}
