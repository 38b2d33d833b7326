import type { Contract } from '@ron/proto/contract';
import type { Contact } from '@ron/proto/network';
import type { Static } from 'typebox';

/**
 * Asks another node for one of the operations of a contract. Carried by OAP between real nodes, by messages in the
 * simulation of many. Rejects with a `RonError`: `unavailable` when the node cannot be reached or is not who it should be,
 * `deadline_exceeded` after `timeoutMs`, or what the node itself answered.
 */
export type Ask<C extends Contract> = <Op extends keyof C['operations'] & string>(
  to: Contact,
  operation: Op,
  input: Static<C['operations'][Op]['input']>,
  timeoutMs: number,
) => Promise<Static<C['operations'][Op]['output']>>;
