/**
 * `failed`: a write or sync was refused by the system; the journal is read-only from then on. `full`: no room on the
 * disk, nothing was written, later appends may succeed. `busy`: too much is waiting already. `corrupt`: stored bytes
 * do not have their checksum. `closed`: after dispose. `unknown`: no such segment. `invalid`: wrong arguments.
 */
export type JournalErrorReason = 'failed' | 'full' | 'busy' | 'corrupt' | 'closed' | 'unknown' | 'invalid';

export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly reason: JournalErrorReason;

  constructor(reason: JournalErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
