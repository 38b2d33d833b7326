import type { Log } from '@ron/kernel';
import type { Handler } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { omnigateContract } from '@ron/proto/omnigate';
import type { Front } from '../front.ts';

/** A backend that is let in again is asked first: its next probe takes it back. */
export function createDrainBackend(
  { backends }: Front,
  log: Log,
): Handler<typeof omnigateContract.operations.drain_backend> {
  return ({ backend: name, on }, { context }) => {
    const backend = backends.all.find((one) => one.name === name);
    if (backend === undefined) throw new RonError('not_found', 'there is no such backend');
    backend.note({ kind: 'operator', drain: on });
    const { corrId: corr_id, principal } = context;
    log.warn({ corr_id, backend: name, on, subject: principal.subject }, 'an operator changed a backend');
    return backend.view();
  };
}
