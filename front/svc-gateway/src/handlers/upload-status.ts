import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { requireTusVersion } from '../tus.ts';
import { uploadReplyOf } from '../upload-reply.ts';

export function createUploadStatus(storage: Peer<typeof storageContract>): GatewayHandlers['upload_status'] {
  return async ({ upload_id, tus_resumable }, { context }) => {
    requireTusVersion(tus_resumable);
    return uploadReplyOf(await storage.upload_status({ upload_id }, { context }));
  };
}
