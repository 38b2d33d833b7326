import type { Call, Handlers } from '@ron/proto/contract';
import type { edgeContract } from '@ron/proto/edge';
import { type ErrorCode, RonError } from '@ron/proto/errors';
import type { ObjectBytes } from '../objects/object-bytes.ts';

/** Reads whole objects, some at a time; one that cannot be had does not keep the others out. */
export function createWarm(objects: ObjectBytes, readersMax: () => number): Handlers<typeof edgeContract>['warm'] {
  return async ({ addresses }, call) => {
    const left = [...new Set(addresses)].reverse();
    const failed: { address: string; code: ErrorCode }[] = [];
    let warmed = 0;
    let bytes = 0;
    const reader = async (): Promise<void> => {
      for (let address = left.pop(); address !== undefined; address = left.pop()) {
        call.context.signal.throwIfAborted();
        try {
          const read = await readThrough(objects, address, call);
          bytes += read;
          warmed += 1;
        } catch (error) {
          call.context.signal.throwIfAborted();
          if (!(error instanceof RonError)) throw error;
          failed.push({ address, code: error.code });
        }
      }
    };
    await Promise.all(Array.from({ length: readersMax() }, reader));
    return { objects: warmed, bytes, failed };
  };
}

async function readThrough(objects: ObjectBytes, address: string, call: Call): Promise<number> {
  const { body } = await objects.read({ address }, call);
  let bytes = 0;
  for await (const piece of body) {
    call.context.signal.throwIfAborted();
    bytes += piece.byteLength;
  }
  return bytes;
}
