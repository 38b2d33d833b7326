import type { Caller } from './caller.ts';
import type { CallOptions, PutResult, ReadableSource, TransferOptions } from './client.ts';
import { clientError, RonClientError } from './errors.ts';
import { jitterMs, pause } from './retry.ts';
import type { TransportReply } from './transport.ts';

/** Bytes of a source from which on an upload is worth two more round trips to be resumable. */
export const resumableBytesMin = 64 * 1_024 * 1_024;

/** Consecutive failures without a single byte of progress before an upload gives up: some 13 s of pauses on average. */
const stallsMax = 8;

/**
 * An upload that goes on where it broke, also where an earlier client left it: the node keeps what arrived, tells the
 * offset, and checks the whole against the address before it becomes an object.
 */
export async function resumableUpload(
  caller: Caller,
  address: string,
  source: ReadableSource,
  options: TransferOptions,
): Promise<PutResult> {
  const upload = new Upload(caller, address, source, options);
  try {
    await upload.begin();
    await upload.sendAll();
  } catch (thrown) {
    // Another client had a part in it: its bytes were wrong, or it dropped the upload. Once more, from what is there now.
    if (!upload.shared || !isLost(thrown)) throw thrown;
    await upload.begin();
    await upload.sendAll();
  }
  return upload.result();
}

class Upload {
  /** Whether bytes of the upload may be another client's. */
  shared = false;
  #id = '';
  #offset = 0;
  #complete = false;
  #sentBytes = 0;
  #stored = true;
  #durability: PutResult['durability'];
  readonly #caller: Caller;
  readonly #address: string;
  readonly #source: ReadableSource;
  readonly #options: TransferOptions;
  readonly #deadlineMs: number;

  constructor(caller: Caller, address: string, source: ReadableSource, options: TransferOptions) {
    this.#caller = caller;
    this.#address = address;
    this.#source = source;
    this.#options = options;
    this.#deadlineMs = caller.deadlineOf(options);
  }

  async begin(): Promise<void> {
    const { sizeBytes } = this.#source;
    const reply = await this.#caller.call(
      'upload_create',
      { upload_length: String(sizeBytes), address: this.#address },
      { ...this.#within(), mutation: true },
    );
    this.#id = reply.output['upload_id'] as string;
    this.#take(reply);
    this.shared = this.#offset > 0;
    // What was whole before the first byte of ours was not stored by us.
    this.#stored = sizeBytes === 0 || this.#offset < sizeBytes;
  }

  async sendAll(): Promise<void> {
    const { sizeBytes } = this.#source;
    for (let stalls = 0; !this.#complete; ) {
      const from = this.#offset;
      try {
        if (from === sizeBytes) throw this.#error('conflict', 'another request is completing the upload');
        this.#take(await this.#send());
        this.#complete ||= this.#offset === sizeBytes;
      } catch (thrown) {
        if (!canResume(thrown, this.#options)) throw thrown;
        if (codeOf(thrown) === 'conflict') this.shared = true;
        // The node may still be reading the connection that broke, and says `conflict` until it has noticed.
        await this.#pause(stalls + 1, thrown);
        this.#take(await this.#caller.call('upload_status', { upload_id: this.#id }, this.#within()));
        stalls = this.#offset > from ? 0 : stalls + 1;
        if (stalls >= stallsMax) throw thrown;
      }
      if (this.#offset < from) {
        throw this.#error('integrity', 'the node lost part of an upload');
      }
    }
  }

  result(): PutResult {
    return {
      address: this.#address,
      size: this.#source.sizeBytes,
      stored: this.#stored,
      durability: this.#durability,
      sentBytes: this.#sentBytes,
    };
  }

  /** What is there counts, whoever sent it; only with a durability was it also checked and stored. */
  #take({ output }: TransportReply): void {
    this.#offset = Number(output['offset'] ?? 0);
    this.#durability = output['durability'] as PutResult['durability'];
    this.#complete = this.#durability !== undefined;
    if (this.#offset > 0) this.#report(this.#offset);
  }

  #report(doneBytes: number): void {
    this.#options.onProgress?.({ doneBytes, totalBytes: this.#source.sizeBytes });
  }

  #send(): Promise<TransportReply> {
    const offset = this.#offset;
    return this.#caller.call(
      'upload_write',
      { upload_id: this.#id, upload_offset: String(offset), content_type: 'application/offset+octet-stream' },
      { ...this.#within(), mutation: true, streamed: true },
      { open: () => this.#counted(offset), bytes: this.#source.sizeBytes - offset, repeatable: false },
    );
  }

  #error(code: 'conflict' | 'integrity', message: string): RonClientError {
    return clientError(code, message, { corrId: this.#options.corrId ?? '' });
  }

  /** What is retried by the rules of all calls; `conflict` ends by itself, and nobody says when. */
  #pause(tries: number, error: RonClientError): Promise<void> {
    const { platform } = this.#caller;
    const { signal } = this.#options;
    if (error.code === 'conflict') return pause({ platform, signal, corrId: '' }, jitterMs(platform, tries));
    return this.#caller.beforeRetry(error, tries, { deadlineMs: this.#deadlineMs, signal, attemptsMax: stallsMax });
  }

  /** One deadline, signal and corr_id over all requests of the upload. */
  #within(): CallOptions {
    return this.#caller.within(this.#deadlineMs, this.#options);
  }

  async *#counted(offset: number): AsyncGenerator<Uint8Array> {
    let doneBytes = offset;
    for await (const piece of this.#source.read(offset, this.#source.sizeBytes)) {
      yield piece;
      doneBytes += piece.byteLength;
      this.#sentBytes += piece.byteLength;
      this.#report(doneBytes);
    }
  }
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof RonClientError ? thrown.code : undefined;
}

function isLost(thrown: unknown): boolean {
  return codeOf(thrown) === 'bad_digest' || codeOf(thrown) === 'not_found';
}

function canResume(thrown: unknown, { signal }: TransferOptions): thrown is RonClientError {
  return !signal?.aborted && thrown instanceof RonClientError && (thrown.retryable || thrown.code === 'conflict');
}
