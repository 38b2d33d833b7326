import type { UploadTable } from '../uploads/upload-table.ts';
import type { StorageHandler } from './operation.ts';

export function uploadWrite(uploads: UploadTable): StorageHandler<'upload_write'> {
  return async (input, call) => await uploads.write(input.upload_id, input.offset, call.body, call.context.tenant);
}
