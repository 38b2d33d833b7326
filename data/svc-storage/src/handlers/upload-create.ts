import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { UploadTable } from '../uploads/upload-table.ts';
import type { StorageHandler } from './operation.ts';

export function uploadCreate(uploads: UploadTable, objectBytesMax: () => number): StorageHandler<'upload_create'> {
  return async (input, call) => {
    const limit = objectBytesMax();
    if (input.size > limit) {
      throw new RonError('payload_too_large', `an object has at most ${limit} bytes`, { details: { limit } });
    }
    return await uploads.create(input.size, input.address as Address | undefined, call.body, call.context.tenant);
  };
}
