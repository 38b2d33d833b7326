import type { ByteStream } from '@ron/proto/stream';
import type { WholeBody } from './whole-body.ts';

type Step = IteratorResult<Uint8Array, undefined>;

/**
 * A stream of a body, which keeps its place until the stream is over, breaks off or is left, whatever becomes of its
 * entry meanwhile. Who gets the stream reads it to its end or leaves it.
 */
export function heldBody(body: WholeBody, source: ByteStream): ByteStream {
  if (body.retain === undefined) return source;
  body.retain();
  let isHeld = true;
  const letGo = () => {
    if (isHeld) body.release?.();
    isHeld = false;
  };
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        async next(): Promise<Step> {
          try {
            const step = await iterator.next();
            if (step.done !== true) return step;
          } catch (failure) {
            letGo();
            throw failure;
          }
          letGo();
          return { done: true, value: undefined };
        },
        async return(): Promise<Step> {
          try {
            await iterator.return?.();
          } finally {
            letGo();
          }
          return { done: true, value: undefined };
        },
      };
    },
  };
}
