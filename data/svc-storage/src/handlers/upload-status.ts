import type { UploadTable } from '../uploads/upload-table.ts';
import type { StorageHandler } from './operation.ts';

export function uploadStatus(uploads: UploadTable): StorageHandler<'upload_status'> {
  return async (input, call) => await uploads.report(input.upload_id, call.context.tenant);
}
