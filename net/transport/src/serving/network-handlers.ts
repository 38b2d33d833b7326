import type { Contract, Operation } from '@ron/proto/contract';
import type { NodeId } from '@ron/proto/network';
import type { ByteStream } from '@ron/proto/stream';
import type { Static } from 'typebox';

type SendsBody<O extends Operation> = O['body'] extends 'out' | 'both' ? true : false;

/** What a node answers another: the DTO, and bytes beside it where the operation has them. */
export type NetworkReply<O extends Operation> =
  SendsBody<O> extends true ? { readonly output: Static<O['output']>; readonly body: ByteStream } : Static<O['output']>;

/**
 * Answers for other nodes. `from` is proven by the connection. There are no capabilities between nodes: who asks is all that
 * a handler has to decide by, and what it throws as `RonError` with a declared code is what the other node gets.
 */
export type NetworkHandlers<C extends Contract> = {
  readonly [Op in keyof C['operations']]: (
    input: Static<C['operations'][Op]['input']>,
    from: NodeId,
  ) => NetworkReply<C['operations'][Op]> | Promise<NetworkReply<C['operations'][Op]>>;
};

/** Written as a method, whose parameters may be narrower: an input is checked against its schema before it gets there. */
interface AnyHandler {
  answer(input: unknown, from: NodeId): unknown;
}

/** A contract with its handlers, their types forgotten. */
export interface ServedContract {
  readonly contract: Contract;
  readonly handlers: Readonly<Record<string, AnyHandler['answer']>>;
}

export function servedContract<C extends Contract>(contract: C, handlers: NetworkHandlers<C>): ServedContract {
  return { contract, handlers };
}
