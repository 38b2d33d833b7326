import type { Peer } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { storageContract } from '@ron/proto/storage';
import type { ByteStream } from '@ron/proto/stream';
import type { LiveConfig } from '@ron/service';
import type { GatewayConfig } from '../config.ts';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { tooLarge } from '../object-writer.ts';
import type { ByteLedger } from '../quota.ts';
import { checkMetadata, mediaTypeOf, outboardType, parseByteCount, requireTusVersion } from '../tus.ts';
import { uploadReplyOf } from '../upload-reply.ts';

export function createUploadCreate(
  storage: Peer<typeof storageContract>,
  config: LiveConfig<GatewayConfig>,
  ledger: ByteLedger,
): GatewayHandlers['upload_create'] {
  return (input, call) =>
    ledger.receiving(call, async (body) => {
      requireTusVersion(input.tus_resumable);
      checkMetadata(input.upload_metadata);
      if (input.upload_length === undefined) {
        throw new RonError('length_required', 'Upload-Length is required: lengths cannot be given later');
      }
      const size = parseByteCount(input.upload_length, 'Upload-Length');
      const bytesMax = config.current().object_bytes_max;
      if (size > bytesMax) throw tooLarge(bytesMax);
      const { context } = call;
      const { address } = input;
      if (mediaTypeOf(input.content_type) === outboardType) {
        if (address === undefined) throw new RonError('bad_request', 'an outboard needs the address that it proves');
        const { bodyBytes } = call;
        const options = { context, body, ...(bodyBytes === undefined ? {} : { bodyBytes }) };
        return uploadReplyOf(await storage.upload_create({ size, address }, options));
      }
      await requireNoBody(call.bodyBytes, body);
      const request = { size, ...(address === undefined ? {} : { address }) };
      const state = await storage.upload_create(request, { context });
      if (size > 0 || state.complete) return uploadReplyOf(state);
      // A tus client sends nothing more for an empty file: it is complete once created.
      return uploadReplyOf(await storage.upload_write({ upload_id: state.upload_id, offset: 0 }, { context }));
    });
}

/** The tus extension that sends bytes with the creation is not offered; bytes that nobody reads would be lost. */
async function requireNoBody(bodyBytes: number | undefined, body: ByteStream): Promise<void> {
  if (bodyBytes === 0) return;
  let any = bodyBytes !== undefined;
  for (const reading = body[Symbol.asyncIterator](); !any; ) {
    const piece = await reading.next();
    if (piece.done === true) return;
    any = piece.value.byteLength > 0;
  }
  throw new RonError('unsupported_media_type', `a creation has no body, or an outboard as ${outboardType}`);
}
