import type { ByteStream } from '@ron/proto/stream';

type Step = IteratorResult<Uint8Array, undefined>;

/** The same bytes, each piece counted as it is taken. */
export function countedBody(source: ByteStream, count: (bytes: number) => void): ByteStream {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        async next(): Promise<Step> {
          const step = await iterator.next();
          if (step.done === true) return { done: true, value: undefined };
          count(step.value.byteLength);
          return step;
        },
        async return(): Promise<Step> {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
