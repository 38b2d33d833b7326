import { RonError } from '@ron/proto/errors';
import { kmsLimits } from './kms.ts';

/** What was answered under an operation id. The answer follows from the verb of the request and the key id. */
export interface RememberedOperation {
  readonly tenant: string;
  readonly opId: string;
  /** The whole request, as canonical text. */
  readonly request: string;
  readonly kid: string;
}

const pattern = /^[A-Za-z0-9_-]{8,64}$/;

/** The newest operation ids. They are kept per tenant: nobody meets, or probes, another's. */
export class OperationMemory {
  readonly #operations = new Map<string, RememberedOperation>();

  /** The key that the first attempt answered with. Refuses a malformed id, and one that stands for another request. */
  recall(tenant: string, opId: string, request: string): string | undefined {
    if (!pattern.test(opId)) {
      const message = 'op_id, or the Idempotency-Key in its place, has 8 to 64 characters of A-Z, a-z, 0-9, _ and -';
      throw new RonError('bad_request', message, { details: { field: 'op_id' } });
    }
    const known = this.#operations.get(`${tenant}/${opId}`);
    if (known === undefined || known.request === request) return known?.kid;
    throw new RonError('conflict', 'this op_id was used with another request', { details: { reason: 'op_id' } });
  }

  add(operation: RememberedOperation): void {
    this.#operations.set(`${operation.tenant}/${operation.opId}`, operation);
    for (const oldest of this.#operations.keys()) {
      if (this.#operations.size <= kmsLimits.operationsMax) return;
      this.#operations.delete(oldest);
    }
  }

  /** Oldest first, as they are after `next` too. */
  list(next?: RememberedOperation): readonly RememberedOperation[] {
    const all = [...this.#operations.values(), ...(next === undefined ? [] : [next])];
    return all.slice(-kmsLimits.operationsMax);
  }
}
