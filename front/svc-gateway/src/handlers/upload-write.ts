import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { storageContract } from '@ron/proto/storage';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import type { ByteLedger } from '../quota.ts';
import { mediaTypeOf, parseByteCount, requireTusVersion, tusBodyType } from '../tus.ts';
import { uploadReplyOf } from '../upload-reply.ts';

export function createUploadWrite(
  storage: Peer<typeof storageContract>,
  ledger: ByteLedger,
): GatewayHandlers['upload_write'] {
  return (input, call) =>
    ledger.receiving(call, async (body) => {
      requireTusVersion(input.tus_resumable);
      if (mediaTypeOf(input.content_type) !== tusBodyType) {
        throw new RonError('unsupported_media_type', `bytes of an upload come as ${tusBodyType}`);
      }
      const { context, bodyBytes } = call;
      const offset = parseByteCount(input.upload_offset, 'Upload-Offset');
      const options = { context, body, ...(bodyBytes === undefined ? {} : { bodyBytes }) };
      return uploadReplyOf(await storage.upload_write({ upload_id: input.upload_id, offset }, options));
    });
}
