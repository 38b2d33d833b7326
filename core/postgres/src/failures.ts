import { errorCode } from '@ron/kernel';
import { RonError } from '@ron/proto/errors';

/** The server cannot be used as it is: another version, a standby, another program's schema. Its message says what to do. */
export class PostgresError extends Error {
  override readonly name = 'PostgresError';
}

/**
 * SQLSTATE, or the first characters of one, of what another try may not meet: connections that end, a server that starts
 * or stops, too many connections, time-outs, a server that is not the primary any more. PostgreSQL 18, appendix A.
 */
const passing = ['08', '57P', '53300', '57014', '55P03', '25006', '25P03', '25P04'] as const;
/** Deadlock and serialization failure: the transaction was undone as a whole. */
const undone: readonly unknown[] = ['40001', '40P01'];
/** Out of disk, and out of memory. */
const noRoom: readonly unknown[] = ['53100', '53200'];

/** What the driver throws without any code. */
const driverTexts = /timeout|terminated|ended|closed|not queryable|Connection/i;

/** Nothing of the transaction was done, and it may succeed at once. */
export function isUndone(error: unknown): boolean {
  return undone.includes(errorCode(error));
}

/** The connection may be in the middle of something: it must not be used again. */
export function isSpent(error: unknown): boolean {
  const code = errorCode(error);
  return !(error instanceof RonError) && (code === undefined || !/^[0-9A-Z]{5}$/.test(code) || code === '25006');
}

/** The refusal that a caller gets; anything that is no matter of the server's state passes as it is. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof RonError) return error;
  if (error instanceof PostgresError) return unavailable('the database cannot be used', error);
  const code = errorCode(error);
  if (noRoom.includes(code)) return new RonError('insufficient_storage', 'the database is full', { cause: error });
  const isState = code !== undefined && (passing.some((start) => code.startsWith(start)) || isUndone(error));
  // A system error has a code of letters, such as ECONNREFUSED; the driver's own have none.
  const isLost = code === undefined ? driverTexts.test(textOf(error)) : /^E[A-Z]{3,}/.test(code);
  return isState || isLost ? unavailable('the database cannot be reached', error) : error;
}

export function unavailable(message: string, cause?: unknown): RonError {
  return new RonError('unavailable', message, { retryAfterMs: 1_000, ...(cause === undefined ? {} : { cause }) });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
