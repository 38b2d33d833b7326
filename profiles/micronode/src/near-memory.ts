import type { Address } from '@ron/naming';
import type { NearMemory } from '@ron/svc-edge/service';
import type { BlobEngine } from '@ron/svc-storage/service';

/** What the edge of this process reads at once: its storage's own memory. docs/decisions/0011-edge-beside-storage.md. */
export function nearMemory(blobs: BlobEngine): NearMemory {
  return {
    sizeOf(address) {
      const object = blobs.stat(address as Address);
      return object === undefined || object.state === 'quarantined' ? undefined : object.sizeBytes;
    },
    resident: (address, start, length) => blobs.resident?.(address as Address, start, length),
  };
}
