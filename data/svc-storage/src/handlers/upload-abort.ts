import type { UploadTable } from '../uploads/upload-table.ts';
import type { StorageHandler } from './operation.ts';

export function uploadAbort(uploads: UploadTable): StorageHandler<'upload_abort'> {
  return async (input, call) => {
    await uploads.abort(input.upload_id, call.context.tenant);
    return {};
  };
}
