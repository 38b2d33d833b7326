import { ResidentBody } from '@ron/proto/stream';
import { readable } from '../spans.ts';
import type { VerifiedReads } from '../verified-reads.ts';
import type { StorageHandler } from './operation.ts';

export function outboard(reads: VerifiedReads): StorageHandler<'outboard'> {
  return async (input) => {
    const { address, sizeBytes } = readable(reads.blobs, input.address);
    const bytes = await reads.counted(address, () => reads.blobs.outboard(address));
    return { output: { address, size: sizeBytes, outboard_size: bytes.byteLength }, body: new ResidentBody(bytes) };
  };
}
