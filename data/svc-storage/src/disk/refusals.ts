import { JournalError } from '@ron/journal';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';

const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const passingCodes = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);
const retryAfterMs = 1000;

/** Why the engine takes no writes any more; shared by all of its parts. */
export class Health {
  #reason: string | undefined;

  get reason(): string | undefined {
    return this.#reason;
  }

  fail(error: unknown): void {
    this.#reason ??= `read-only after an I/O error (${systemCode(error) ?? 'unknown'})`;
  }

  requireWritable(): void {
    if (this.#reason !== undefined) throw new RonError('unavailable', 'the storage of this node is read-only');
  }

  /**
   * What the caller of a write hears. A lack of room or of descriptors passes; every other failure of a write or a
   * sync leaves the disk in an unknown state and ends writing until the process is started anew.
   */
  refusal(error: unknown): RonError {
    if (error instanceof RonError) return error;
    const code = systemCode(error);
    const reason = error instanceof JournalError ? error.reason : undefined;
    if (reason === 'full' || fullCodes.has(code ?? '')) {
      return new RonError('insufficient_storage', 'the disk is full', { cause: error });
    }
    if (reason === 'busy' || passingCodes.has(code ?? '')) {
      return new RonError('unavailable', 'the storage of this node is busy', { retryAfterMs, cause: error });
    }
    if (reason !== 'closed') this.fail(error);
    return new RonError('unavailable', 'the storage of this node is read-only', { cause: error });
  }
}

/** The code of the system, also when a journal error is around it. */
export function systemCode(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string' && !(error instanceof RonError)) return code;
  return cause === undefined ? undefined : systemCode(cause);
}

/** A read that failed for want of descriptors or memory says nothing about the bytes. */
export function isPassing(error: unknown): boolean {
  return passingCodes.has(systemCode(error) ?? '');
}

export function notFound(): RonError {
  return new RonError('not_found', 'no such object');
}

export function damaged(): RonError {
  return new RonError('integrity', 'the stored bytes of this object are damaged');
}

export function wrongDigest(expected: Address): RonError {
  return new RonError('bad_digest', 'the bytes do not hash to the address', { details: { expected } });
}
