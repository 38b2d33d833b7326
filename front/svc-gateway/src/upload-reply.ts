import type { gatewayContract } from '@ron/proto/gateway';
import type { UploadState } from '@ron/proto/storage';
import type { Static } from 'typebox';
import { tusVersion } from './tus.ts';

export type UploadReply = Static<(typeof gatewayContract)['operations']['upload_create']['output']>;

/** Storage's state of an upload with what HTTP and tus say beside it. */
export function uploadReplyOf(state: Static<typeof UploadState>): UploadReply {
  return {
    ...state,
    location: `/uploads/${state.upload_id}`,
    upload_expires: new Date(state.expires_at).toUTCString(),
    tus_resumable: tusVersion,
    cache_control: 'no-store',
  };
}
