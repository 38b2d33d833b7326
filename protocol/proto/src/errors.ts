/**
 * The one error table: every refusal of every component, over HTTP and OAP, uses one of these codes.
 * `http` is also the OAP status. `retryable` tells a client whether the same call may succeed later.
 */
export const errorTable = {
  bad_request: { http: 400, retryable: false },
  unauthenticated: { http: 401, retryable: false },
  forbidden: { http: 403, retryable: false },
  not_found: { http: 404, retryable: false },
  request_timeout: { http: 408, retryable: true },
  conflict: { http: 409, retryable: false },
  length_required: { http: 411, retryable: false },
  payload_too_large: { http: 413, retryable: false },
  unsupported_media_type: { http: 415, retryable: false },
  range_not_satisfiable: { http: 416, retryable: false },
  bad_digest: { http: 422, retryable: false },
  quota_exhausted: { http: 429, retryable: true },
  headers_too_large: { http: 431, retryable: false },
  internal: { http: 500, retryable: false },
  integrity: { http: 502, retryable: true },
  unavailable: { http: 503, retryable: true },
  deadline_exceeded: { http: 504, retryable: true },
  insufficient_storage: { http: 507, retryable: false },
} as const satisfies Record<string, { http: number; retryable: boolean }>;

export type ErrorCode = keyof typeof errorTable;

export const errorCodes = Object.keys(errorTable) as readonly ErrorCode[];

/** What a caller sees, in an HTTP body and in an OAP error frame. */
export interface ErrorEnvelope {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly corr_id: string;
  readonly retry_after_ms?: number;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface RonErrorOptions {
  /** Milliseconds after which a retry can succeed; computed, never guessed. */
  readonly retryAfterMs?: number;
  /** Field errors or limits for the caller; never internals. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** For the log only. */
  readonly cause?: unknown;
  /** For the audit log only, a word of `[a-z_]`: why, where the caller is not to learn it. Such a refusal is always kept. */
  readonly auditReason?: string;
}

/** A refusal that may be shown to the caller. Anything else that is thrown becomes `internal`. */
export class RonError extends Error {
  override readonly name = 'RonError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly auditReason: string | undefined;

  constructor(code: ErrorCode, message: string, options: RonErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details;
    this.auditReason = options.auditReason;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }

  get httpStatus(): number {
    return errorTable[this.code].http;
  }

  toEnvelope(corrId: string): ErrorEnvelope {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      corr_id: corrId,
      ...(this.retryAfterMs === undefined ? {} : { retry_after_ms: this.retryAfterMs }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorTable, value);
}

/** Rebuilds the error on the caller's side of a wire; an unreadable envelope becomes `internal`. */
export function errorFromEnvelope(value: unknown): RonError {
  const envelope = (typeof value === 'object' && value !== null ? value : {}) as Partial<ErrorEnvelope>;
  if (!isErrorCode(envelope.code)) return new RonError('internal', 'the peer sent an unreadable error');
  return new RonError(envelope.code, String(envelope.message ?? envelope.code), {
    ...(typeof envelope.retry_after_ms === 'number' ? { retryAfterMs: envelope.retry_after_ms } : {}),
    details: { ...envelope.details, corr_id: envelope.corr_id },
  });
}
