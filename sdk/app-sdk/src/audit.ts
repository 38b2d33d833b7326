import type { AuditLeaf, AuditLine } from '@ron/proto/audit';
import type { Caller, CallFields } from './caller.ts';
import type { CallOptions } from './client.ts';
import { asClientError, clientError } from './errors.ts';
import { auditService as service } from './services.ts';
import { collect } from './streams.ts';
import type { TransportReply } from './transport.ts';

/** A tree head whose signature was checked. */
export interface AuditCheckpoint {
  readonly origin: string;
  /** Entries of the log. */
  readonly size: number;
  /** 32 bytes, base64. */
  readonly root: string;
  /** The signed note, for whoever checks it again. */
  readonly text: string;
}

/** A receipt that was checked: the entry is in the log that the checkpoint's key signs for. */
export interface AuditReceipt {
  /** For `verify`, and for anyone with the log's key. */
  readonly text: string;
  readonly index: number;
  readonly entry: AuditLeaf;
  readonly checkpoint: AuditCheckpoint;
}

export interface Receipted {
  readonly receipt: AuditReceipt;
}

export interface ReceiptOption {
  /**
   * Ask for the proof that this is in the node's audit log, and check it before the result is returned. Without a
   * receipt, or with a wrong one, the call rejects with `integrity`, although the node has done what it was asked:
   * `details.done` says so.
   */
  readonly receipt?: boolean;
}

/**
 * The audit log of a node. What it answers is checked against the log's key: the one that the client was given as
 * `auditKeys`, else the one that the node shows first, which is kept for as long as the client lives.
 */
export interface AuditCalls {
  /** Verifier keys (c2sp.org/signed-note) that this client trusts for the log. */
  keys(options?: CallOptions): Promise<readonly string[]>;
  /** The newest checkpoint; rejects with `integrity` for one that takes back what this client has seen. */
  checkpoint(options?: CallOptions & { readonly cosigned?: boolean }): Promise<AuditCheckpoint>;
  /** The entry at an index with its proof, checked. */
  prove(index: number, options?: CallOptions): Promise<AuditReceipt>;
  /** Checks a receipt; asks the node for nothing but its key, and not for that when the client was given one. */
  verify(receipt: string, options?: CallOptions): Promise<AuditReceipt>;
  /** Entries from `from` on (default: what comes from now on), until the signal aborts. Not checked one by one. */
  tail(options?: CallOptions & { readonly from?: number }): AsyncIterable<AuditLine>;
  /** NDJSON of the entries [from, to), for `ron audit verify`. */
  export(options?: CallOptions & { readonly from?: number; readonly to?: number }): Promise<AsyncIterable<Uint8Array>>;
}

/** What a call with a receipt must have left in the log. */
export interface ExpectedEntry {
  readonly op: string;
  readonly corrId: string;
  readonly resource: string;
  /** What was asked for: a true receipt of something else under the same name is not enough. */
  readonly fields: Readonly<Record<string, string>>;
}

export class AuditLog implements AuditCalls {
  readonly #caller: Caller;
  readonly #given: readonly string[] | undefined;
  #pinned: Promise<readonly string[]> | undefined;
  #newest: AuditCheckpoint | undefined;

  constructor(caller: Caller, keys: string | readonly string[] | undefined) {
    this.#caller = caller;
    this.#given = typeof keys === 'string' ? [keys] : keys;
  }

  async keys(options: CallOptions = {}): Promise<readonly string[]> {
    if (this.#given !== undefined) return this.#given;
    this.#pinned ??= this.#fetchKeys(options);
    return this.#pinned;
  }

  async checkpoint(options: CallOptions & { cosigned?: boolean } = {}): Promise<AuditCheckpoint> {
    const keys = await this.keys(options);
    const input = options.cosigned === undefined ? {} : { cosigned: options.cosigned };
    // As it was before the question: answers to questions that were asked together may overtake each other.
    const seen = this.#newest;
    const { body } = await this.#caller.call('checkpoint', input, { ...options, service });
    const text = new TextDecoder().decode(await collect(body!));
    const { openLogCheckpoint } = await import('./receipt-check.ts');
    const found = await checked(openLogCheckpoint(text, keys), options);
    if (options.cosigned) return found;
    const newest = this.#newest;
    const rolledBack = seen !== undefined && found.size < seen.size;
    if (rolledBack || (newest?.size === found.size && newest.root !== found.root)) {
      const message = rolledBack ? 'the log is shorter than it was' : 'the log shows two trees of one size';
      throw clientError('integrity', message, { corrId: options.corrId ?? '', details: { seen: newest!.text } });
    }
    if (newest === undefined || found.size > newest.size) this.#newest = found;
    return found;
  }

  async prove(index: number, options: CallOptions = {}): Promise<AuditReceipt> {
    const keys = await this.keys(options);
    const { output } = await this.#caller.call('inclusion', { index }, { ...options, service });
    const { openReceipt } = await import('./receipt-check.ts');
    const receipt = await checked(openReceipt(String(output['receipt']), keys), options);
    if (receipt.index === index) return receipt;
    throw clientError('integrity', `the node proved entry ${receipt.index} instead of ${index}`, {
      corrId: options.corrId ?? '',
    });
  }

  async verify(receipt: string, options: CallOptions = {}): Promise<AuditReceipt> {
    const keys = await this.keys(options);
    const { openReceipt } = await import('./receipt-check.ts');
    return checked(openReceipt(receipt, keys), options);
  }

  async *tail(options: CallOptions & { from?: number } = {}): AsyncGenerator<AuditLine> {
    let { from } = options;
    while (!options.signal?.aborted) {
      const input = { ...(from === undefined ? {} : { from }), wait_ms: tailWaitMs };
      const fields = { ...options, service, timeoutMs: tailWaitMs + 10_000 };
      const { output } = await this.#caller.call('tail', input, fields);
      yield* output['entries'] as AuditLine[];
      from = Number(output['next']);
    }
  }

  async export(options: CallOptions & { from?: number; to?: number } = {}): Promise<AsyncIterable<Uint8Array>> {
    const { from, to } = options;
    const input = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    const { body } = await this.#caller.call('export', input, { ...options, service, streamed: true });
    return body!;
  }

  /**
   * A mutation with its receipt. The log's key is there before anything is sent, so that what was done can be checked
   * in any case.
   */
  async receipted(
    operation: string,
    input: Readonly<Record<string, unknown>>,
    { resource, fields }: Pick<ExpectedEntry, 'resource' | 'fields'>,
    options: CallFields,
  ): Promise<TransportReply & { readonly verified: AuditReceipt }> {
    const corrId = options.corrId ?? this.#caller.newKey();
    const [keys, { openReceipt, refuseOther }] = await Promise.all([
      this.keys({ ...options, corrId }),
      import('./receipt-check.ts'),
    ]);
    const reply = await this.#caller.call(operation, input, { ...options, corrId, mutation: true, receipt: true });
    const details = { done: true };
    if (reply.receipt === undefined) {
      throw clientError('integrity', 'the node did this and gave no receipt for it', { corrId, details });
    }
    try {
      const verified = await openReceipt(reply.receipt, keys);
      refuseOther(verified, { op: `gateway.${operation}`, corrId, resource, fields });
      return { ...reply, verified };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : 'it cannot be read';
      throw clientError('integrity', `the node did this, and its receipt is wrong: ${why}`, { corrId, details, cause });
    }
  }

  async #fetchKeys(options: CallOptions): Promise<readonly string[]> {
    try {
      const { output } = await this.#caller.call('key', {}, { ...options, service });
      return output['keys'] as string[];
    } catch (thrown) {
      this.#pinned = undefined;
      throw thrown;
    }
  }
}

const tailWaitMs = 25_000;

async function checked<T>(work: Promise<T>, { corrId = '' }: CallOptions): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    throw asClientError(thrown, corrId);
  }
}
