import type { Caller } from './caller.ts';
import type { PutResult, ReadableSource, TransferOptions } from './client.ts';
import { clientError, RonClientError } from './errors.ts';
import { jitterMs, pause } from './retry.ts';
import type { TransportReply } from './transport.ts';

/** Consecutive failures without a single byte of progress before an upload gives up: some 13 s of pauses on average. */
const stallsMax = 8;

/**
 * An upload that goes on where it broke: the node keeps what arrived, tells the offset, and checks the whole against
 * the address before it becomes an object.
 */
export async function resumableUpload(
  caller: Caller,
  address: string,
  source: ReadableSource,
  options: TransferOptions,
): Promise<PutResult> {
  const begun = await caller.call(
    'upload_create',
    { upload_length: String(source.sizeBytes), address },
    { ...signalOf(options), mutation: true },
  );
  const upload = new Upload(caller, begun.output['upload_id'] as string, source, options);
  let offset = Number(begun.output['offset'] ?? 0);
  let stalls = 0;
  while (offset < source.sizeBytes) {
    const from = offset;
    try {
      offset = offsetOf(await upload.sendFrom(from));
    } catch (thrown) {
      if (!canResume(thrown, options)) throw thrown;
      // The node may still be reading the connection that broke, and says `conflict` until it has noticed.
      await pause(
        { platform: caller.platform, signal: options.signal, corrId: '' },
        jitterMs(caller.platform, stalls + 1),
      );
      offset = offsetOf(await caller.call('upload_status', { upload_id: upload.id }, signalOf(options)));
      stalls = offset > from ? 0 : stalls + 1;
      if (stalls >= stallsMax) throw thrown;
    }
    if (offset < from)
      throw clientError('integrity', 'the node lost part of an upload', { corrId: options.corrId ?? '' });
  }
  return { address, size: source.sizeBytes, stored: true, durability: upload.durability, sentBytes: upload.sentBytes };
}

class Upload {
  readonly id: string;
  sentBytes = 0;
  durability: PutResult['durability'];
  readonly #caller: Caller;
  readonly #source: ReadableSource;
  readonly #options: TransferOptions;

  constructor(caller: Caller, id: string, source: ReadableSource, options: TransferOptions) {
    this.id = id;
    this.#caller = caller;
    this.#source = source;
    this.#options = options;
  }

  async sendFrom(offset: number): Promise<TransportReply> {
    const reply = await this.#caller.call(
      'upload_write',
      { upload_id: this.id, upload_offset: String(offset), content_type: 'application/offset+octet-stream' },
      { ...signalOf(this.#options), mutation: true, streamed: true },
      { open: () => this.#counted(offset), bytes: this.#source.sizeBytes - offset, repeatable: false },
    );
    this.durability = reply.output['durability'] as PutResult['durability'];
    return reply;
  }

  async *#counted(offset: number): AsyncGenerator<Uint8Array> {
    let doneBytes = offset;
    for await (const piece of this.#source.read(offset, this.#source.sizeBytes)) {
      yield piece;
      doneBytes += piece.byteLength;
      this.sentBytes += piece.byteLength;
      this.#options.onProgress?.({ doneBytes, totalBytes: this.#source.sizeBytes });
    }
  }
}

function offsetOf(reply: TransportReply): number {
  return Number(reply.output['offset']);
}

function canResume(thrown: unknown, { signal }: TransferOptions): boolean {
  return !signal?.aborted && thrown instanceof RonClientError && (thrown.retryable || thrown.code === 'conflict');
}

function signalOf(options: TransferOptions) {
  return options.signal === undefined ? {} : { signal: options.signal };
}
