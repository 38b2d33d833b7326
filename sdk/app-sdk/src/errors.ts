import { type ErrorCode, errorTable, RonError } from '@ron/proto/errors';

/** A refusal or failure, with what a person needs to act on it. `code` is the protocol's; see `docs/specs/OAP-1.md`. */
export class RonClientError extends Error {
  override readonly name: string = 'RonClientError';
  readonly code: ErrorCode;
  readonly corrId: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  /** What to do next, in one sentence. */
  readonly advice: string;

  constructor(code: ErrorCode, message: string, fields: ErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = code;
    this.corrId = fields.corrId;
    this.retryable = errorTable[code].retryable;
    this.retryAfterMs = fields.retryAfterMs;
    this.details = fields.details ?? {};
    this.advice = advice[code];
  }
}

export interface ErrorFields {
  readonly corrId: string;
  readonly retryAfterMs?: number | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
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
