import type { Clock, Log, Random } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import { type CopyEngines, nameOf, type PositionalSink, type RemoteObjects } from '@ron/svc-overlay/service';
import type { BlobEngine, Staging } from '@ron/svc-storage/service';

/** After which the next start of the node may throw away what a crash left of a fetch. */
const leftOverMs = 3_600_000;

export interface ObjectFetchParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly remote: RemoteObjects;
  readonly blobs: BlobEngine;
  readonly objectBytesMax: () => number;
  /** An object is here from now on. */
  readonly onStored: (address: string) => void;
}

/**
 * Brings objects of other nodes into the storage of this one: several sources at once, each group verified before it is
 * written, durable when it resolves. What was damaged here is replaced.
 */
export function createObjectFetch(parts: ObjectFetchParts): CopyEngines['fetch'] {
  const { clock, random, remote, blobs, objectBytesMax, onStored } = parts;
  return async ({ address, sizeBytes, sources }, signal) => {
    let staging: Staging | undefined;
    // Groups come from several sources at a time, and a staging is written to by one at a time.
    let written = Promise.resolve();
    const sink: PositionalSink = {
      begin: async (bytes) => {
        const id = Buffer.from(random.bytes(16)).toString('hex');
        const createdMs = clock.wallMs();
        const meta = { tenant: '', createdMs, expiresMs: createdMs + leftOverMs, address: address as Address };
        staging = await blobs.stagings.create(id, bytes, meta);
      },
      write: (offset, bytes) => {
        written = written.then(() => staging!.write(offset, bytes));
        return written;
      },
    };
    // One after the other from each source: what comes in order is gathered into large writes.
    const limits = { sizeBytesMax: sizeBytes ?? objectBytesMax(), streamsPerSourceMax: 1 };
    try {
      const { size } = await remote.fetch(address, sink, { sources: sources.map(nameOf), limits, signal }).done;
      if (sizeBytes !== undefined && size !== sizeBytes) {
        throw new RonError('bad_request', 'the object has another size than was said', { details: { size } });
      }
      await staging!.commit(address as Address);
      onStored(address);
    } catch (error) {
      await staging?.remove().catch((err: unknown) => parts.log.warn({ err, address }, 'a fetch left bytes behind'));
      throw error;
    }
  };
}
