import { outboardSize } from '@ron/b3';
import type { Env } from '@ron/kernel';
import type { CallContext, Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import { unavailable } from '../groups/attempts.ts';
import { ExactReader } from '../groups/exact-reader.ts';
import { groupBytes } from '../groups/object-proof.ts';
import type { GroupSource } from '../groups/source.ts';

/** A part of `storage`'s contract: what any peer of it, in this process or over OAP, can be asked for groups. */
export type StorageReads = Pick<Peer<typeof storageContract>, 'get' | 'stat' | 'outboard'>;

/**
 * Groups from a storage service. What is fetched is for all who wait for it, so it is asked for in the name of this
 * service, whose rights the peer carries, and not of one caller.
 */
export function createStorageSource(storage: StorageReads, env: Pick<Env, 'random'>): GroupSource {
  const contextOf = (signal: AbortSignal) => ({ context: serviceContext(env, signal) });
  return {
    name: 'storage',
    async stat(address, wantsFirst, signal) {
      const options = contextOf(signal);
      if (!wantsFirst) return { sizeBytes: (await storage.stat({ address }, options)).size };
      const { output, body } = await storage.get({ address, start: 0, length: groupBytes }, options);
      const reader = new ExactReader(body);
      try {
        const firstGroup = await reader.take(Math.min(groupBytes, output.size));
        return { sizeBytes: output.size, firstGroup };
      } finally {
        await reader.close();
      }
    },
    async outboard(address, sizeBytes, signal) {
      const { output, body } = await storage.outboard({ address }, contextOf(signal));
      if (output.outboard_size > outboardSize(sizeBytes))
        throw unavailable('the outboard is larger than the object’s size allows');
      const reader = new ExactReader(body);
      try {
        const bytes = await reader.take(output.outboard_size);
        await reader.end();
        return bytes;
      } finally {
        await reader.close();
      }
    },
    async groups({ address, first, count, sizeBytes }, signal) {
      const start = first * groupBytes;
      const length = Math.min(count * groupBytes, sizeBytes - start);
      const { body } = await storage.get({ address, start, length }, contextOf(signal));
      return body;
    },
  };
}

/** Never used for a decision: the peer authenticates as the service that it was made for. */
function serviceContext({ random }: Pick<Env, 'random'>, signal: AbortSignal): CallContext {
  return {
    corrId: `edge-${Buffer.from(random.bytes(8)).toString('hex')}`,
    traceparent: undefined,
    tenant: '',
    principal: { subject: 'service:edge', capabilityId: 'edge', tenant: '', limits: {}, allows: () => false },
    deadlineMs: Number.POSITIVE_INFINITY,
    signal,
    idempotencyKey: undefined,
  };
}
