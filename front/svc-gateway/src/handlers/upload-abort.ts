import type { Peer } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { requireTusVersion, tusVersion } from '../tus.ts';

export function createUploadAbort(storage: Peer<typeof storageContract>): GatewayHandlers['upload_abort'] {
  return async ({ upload_id, tus_resumable }, { context }) => {
    requireTusVersion(tus_resumable);
    await storage.upload_abort({ upload_id }, { context });
    return { tus_resumable: tusVersion };
  };
}
