import type { Call, Handlers } from '@ron/proto/contract';
import type { NodeId } from '@ron/proto/network';
import type { overlayContract } from '@ron/proto/overlay';
import { nodeOf } from '@ron/service';

export type OverlayHandler<K extends keyof (typeof overlayContract)['operations']> = Handlers<
  typeof overlayContract
>[K];

/** An operation for nodes: `from` is who its channel proved, `binding` that channel’s. */
export function createNodeHandler<Input, Output>(
  answer: (input: Input, from: NodeId, binding?: Uint8Array) => Promise<Output>,
): (input: Input, call: Call) => Promise<Output> {
  return (input, { context }) => answer(input, nodeOf(context), context.principal.binding);
}
