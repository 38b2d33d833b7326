import type { CallContext, Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { storageContract } from '@ron/proto/storage';
import type { ByteStream } from '@ron/proto/stream';
import type { Blobs } from './serve-ports.ts';

/** What the storage of this node has: whole objects, which it verifies as it reads them. */
export function createStoredBlobs(storage: Pick<Peer<typeof storageContract>, 'stat' | 'slice' | 'outboard'>): Blobs {
  return {
    async stat(address, context) {
      try {
        const { size, state } = await storage.stat({ address }, context && { context });
        // What is quarantined cannot be read, and what is in the trash was given up.
        return state === 'live' ? { size, groups: 'all' } : undefined;
      } catch (error) {
        if (error instanceof RonError && error.code === 'not_found') return undefined;
        throw error;
      }
    },
    async *outboard(address: string, context?: CallContext): ByteStream {
      const { body } = await storage.outboard({ address }, context && { context });
      yield* body;
    },
    async *slice(address: string, start: number, length: number, context?: CallContext): ByteStream {
      const { body } = await storage.slice({ address, start, length }, context && { context });
      yield* body;
    },
  };
}
