import type { Call, Peer, Reply } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import type { gatewayContract } from '@ron/proto/gateway';
import type { overlayContract } from '@ron/proto/overlay';
import { copiesOf, type DurabilityWish } from '@ron/proto/pins';
import type { storageContract } from '@ron/proto/storage';
import type { ByteStream } from '@ron/proto/stream';
import type { LiveConfig } from '@ron/service';
import type { GatewayConfig } from './config.ts';
import type { ByteLedger } from './quota.ts';

type PutReply = Reply<(typeof gatewayContract)['operations']['put']>;

export interface PutFields {
  readonly content_encoding?: string;
  readonly durability?: DurabilityWish;
}

export interface ObjectWriterPorts {
  readonly storage: Peer<typeof storageContract>;
  readonly config: LiveConfig<GatewayConfig>;
  readonly ledger: ByteLedger;
  /** Undefined: the node is alone. */
  readonly copies: Pick<Peer<typeof overlayContract>, 'pin'> | undefined;
}

/** Stores objects that arrive as one body. */
export class ObjectWriter {
  readonly #ports: ObjectWriterPorts;

  constructor(ports: ObjectWriterPorts) {
    this.#ports = ports;
  }

  put(address: string | undefined, fields: PutFields, call: Call): Promise<PutReply> {
    const { storage, config, ledger } = this.#ports;
    return ledger.receiving(call, async (body) => {
      const { context, bodyBytes } = call;
      requireIdentity(fields.content_encoding);
      const bytesMax = config.current().object_bytes_max;
      if (bodyBytes !== undefined && bodyBytes > bytesMax) throw tooLarge(bytesMax);
      if (fields.durability === 'fsync') await this.#requireSync(call);
      const copies = copiesOf(fields.durability);
      if (copies !== undefined && this.#ports.copies === undefined) throw alone();
      const stored = await storage.put(
        { ...(address === undefined ? {} : { address }), ...(bodyBytes === undefined ? {} : { size: bodyBytes }) },
        { context, body: atMost(body, bytesMax), ...(bodyBytes === undefined ? {} : { bodyBytes }) },
      );
      const { address: made } = stored;
      const pinned = copies && (await this.#ports.copies?.pin({ address: made, copies }, { context }));
      return {
        ...stored,
        ...(pinned ? { copies: pinned.holders.filter(({ state }) => state !== 'dead') } : {}),
        location: `/o/${made}`,
        http_status: stored.stored ? 201 : 200,
      };
    });
  }

  /** Told before anything is stored, not by a receipt that says less than was asked. */
  async #requireSync({ context }: Call): Promise<void> {
    const { durability } = await this.#ports.storage.usage({}, { context });
    if (durability === 'fsync') return;
    throw new RonError('bad_request', 'this node keeps objects in memory only and cannot sync them', {
      details: { durability },
    });
  }
}

function alone(): RonError {
  return new RonError(
    'bad_request',
    'this node is alone and keeps no copies elsewhere: give it network.listen, or leave copies out',
  );
}

/** Compressed uploads are not taken: their address would be that of bytes which the sender did not name. */
function requireIdentity(contentEncoding: string | undefined): void {
  const coding = contentEncoding?.trim().toLowerCase();
  if (coding === undefined || coding === '' || coding === 'identity') return;
  throw new RonError('unsupported_media_type', 'send the bytes without Content-Encoding');
}

async function* atMost(body: ByteStream, bytesMax: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const piece of body) {
    total += piece.byteLength;
    if (total > bytesMax) throw tooLarge(bytesMax);
    yield piece;
  }
}

export function tooLarge(bytesMax: number): RonError {
  return new RonError('payload_too_large', `an object has at most ${bytesMax} bytes here`, {
    details: { limit: bytesMax },
  });
}
