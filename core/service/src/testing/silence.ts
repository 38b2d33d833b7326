import type { ByteStream } from '@ron/proto/stream';

/** A body that never gives a piece, and knows how often it was asked and told to stop. */
export function silence(): { readonly state: { asked: number; left: number }; readonly body: ByteStream } {
  const state = { asked: 0, left: 0 };
  const body: ByteStream = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        state.asked += 1;
        return new Promise<never>(() => undefined);
      },
      return: async () => {
        state.left += 1;
        return { done: true, value: undefined };
      },
    }),
  };
  return { state, body };
}
