import { errorCode } from '@ron/kernel';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { KeystoreError } from './keystore-error.ts';
import type { EndOptions } from './kms.ts';

interface ChangeInput {
  readonly op_id?: string;
  readonly even_active?: boolean;
}

/** A change asked for over the wire: an Idempotency-Key stands in for `op_id`, and a failed disk is `unavailable`. */
export async function requestedChange<T>(
  { op_id, even_active }: ChangeInput,
  { context }: Call,
  change: (options: EndOptions) => Promise<T>,
): Promise<T> {
  const opId = op_id ?? context.idempotencyKey;
  const options = { ...(opId === undefined ? {} : { opId }), ...(even_active ? { evenActive: true } : {}) };
  try {
    return await change(options);
  } catch (error) {
    if (error instanceof RonError) throw error;
    if (!(error instanceof KeystoreError) && errorCode(error) === undefined) throw error;
    const message = 'the keystore cannot be written: ask the operator to look at its disk and restart the node';
    throw new RonError('unavailable', message, { details: { reason: 'read_only' }, cause: error });
  }
}
