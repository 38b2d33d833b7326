import { type ErrorCode, errorTable, RonError } from '@ron/proto/errors';

/** A refusal or failure, with what a person needs to act on it. `code` is the protocol's; see `docs/specs/OAP-1.md`. */
export class RonClientError extends Error {
  override readonly name: string = 'RonClientError';
  readonly code: ErrorCode;
  readonly corrId: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  /** How often the call was tried, the first time included. */
  readonly attempts: number;
  /** What to do next, in one sentence or two. */
  readonly advice: string;

  constructor(code: ErrorCode, message: string, fields: ErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = code;
    this.corrId = fields.corrId;
    this.retryable = errorTable[code].retryable;
    this.retryAfterMs = fields.retryAfterMs;
    this.details = fields.details ?? {};
    this.attempts = fields.attempts ?? 1;
    this.advice = fields.advice ?? advice[code];
  }
}

export interface ErrorFields {
  readonly corrId: string;
  readonly retryAfterMs?: number | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
  /** Default 1. */
  readonly attempts?: number;
  /** Default: that of the code. */
  readonly advice?: string;
}

export class NotFoundError extends RonClientError {
  override readonly name = 'NotFoundError';
}

/** No capability, an invalid one, or one that does not cover the call. */
export class AccessError extends RonClientError {
  override readonly name = 'AccessError';
}

/** The name, lease or upload is not as the call expected; `details` has the present state. */
export class ConflictError extends RonClientError {
  override readonly name = 'ConflictError';
}

/** Bytes did not fit their address; none of them were handed out. */
export class IntegrityError extends RonClientError {
  override readonly name = 'IntegrityError';
}

/** A limit or a quota. */
export class QuotaError extends RonClientError {
  override readonly name = 'QuotaError';
}

/** No answer, too late, overloaded or stopping. */
export class UnavailableError extends RonClientError {
  override readonly name = 'UnavailableError';
}

const classes: Partial<Record<ErrorCode, typeof RonClientError>> = {
  not_found: NotFoundError,
  unauthenticated: AccessError,
  forbidden: AccessError,
  conflict: ConflictError,
  integrity: IntegrityError,
  bad_digest: IntegrityError,
  quota_exhausted: QuotaError,
  payload_too_large: QuotaError,
  insufficient_storage: QuotaError,
  unavailable: UnavailableError,
  deadline_exceeded: UnavailableError,
  request_timeout: UnavailableError,
};

export function clientError(code: ErrorCode, message: string, fields: ErrorFields): RonClientError {
  const Class = classes[code] ?? RonClientError;
  return new Class(code, message, fields);
}

/** Why a call is not tried once more. */
export type GiveUp = 'attempts' | 'wait' | 'budget' | 'body';

/** The error of the last attempt, with how many there were and when another could help. */
export function givenUp(error: RonClientError, attempts: number, why: GiveUp): RonClientError {
  const { code, message, corrId, retryAfterMs, details } = error;
  const seconds = Math.ceil((retryAfterMs ?? 0) / 1_000);
  const when = seconds > 0 ? `Try again in ${seconds} s` : undefined;
  const texts: Readonly<Record<GiveUp, string | undefined>> = {
    attempts: when === undefined ? undefined : `${when}.`,
    wait: when === undefined ? undefined : `${when}, or allow the call more time.`,
    budget: `${when ?? 'Try again later'}: this client has used up its retries, one for ten calls.`,
    body: `${when ?? 'Try again'}, with a new body: this one was read and cannot be read twice.`,
  };
  return clientError(code, message, {
    corrId,
    retryAfterMs,
    details,
    attempts,
    ...(texts[why] === undefined ? {} : { advice: texts[why] }),
    cause: error.cause,
  });
}

/** The caller's own signal ended the call. */
export function endedByCaller(corrId: string, signal: AbortSignal | undefined): RonClientError {
  return clientError('deadline_exceeded', 'the call was ended by its caller', {
    corrId,
    cause: signal?.reason,
    advice: 'Nothing, if it was meant.',
  });
}

/** The typed error of whatever a transport or codec threw. */
export function asClientError(thrown: unknown, corrId: string): RonClientError {
  if (thrown instanceof RonClientError) return thrown;
  if (!(thrown instanceof RonError)) {
    return clientError('internal', thrown instanceof Error ? thrown.message : 'the call failed', {
      corrId,
      cause: thrown,
    });
  }
  const { corr_id, ...details } = thrown.details ?? {};
  return clientError(thrown.code, thrown.message, {
    corrId: typeof corr_id === 'string' ? corr_id : corrId,
    retryAfterMs: thrown.retryAfterMs,
    details,
    cause: thrown.cause,
  });
}

const advice: Readonly<Record<ErrorCode, string>> = {
  bad_request: 'Correct the request; the message names the field.',
  unauthenticated: 'Set RON_CAP to a capability of this node; it prints one when it starts.',
  forbidden: 'Ask the owner for a capability that covers this, or use a stronger one.',
  not_found: 'Check the address or name.',
  request_timeout: 'Try again; the connection was too slow.',
  conflict: 'Read the present state and decide again.',
  length_required: 'Send the length.',
  payload_too_large: 'Send less, or raise the limit in the node configuration.',
  unsupported_media_type: 'Send the bytes unencoded.',
  range_not_satisfiable: 'Ask for a range inside the object.',
  bad_digest: 'The bytes changed on the way or are not those of the address; nothing was stored.',
  quota_exhausted: 'Wait as long as the error says, then try again.',
  headers_too_large: 'Send fewer or shorter headers.',
  internal: "Look for the corr_id in the node's log.",
  integrity: 'Do not trust this source; fetch from another one.',
  unavailable: 'Check that the node runs and is ready, then try again.',
  deadline_exceeded: 'Try again, or allow more time.',
  insufficient_storage: 'Free space with `ron gc`, or raise the budget.',
};
