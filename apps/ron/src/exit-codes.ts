import type { ErrorCode } from '@ron/proto/errors';

/** What a script can rely on. The same table stands in `ron --help`. */
export const exitCodes = {
  ok: 0,
  other: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  limit: 5,
  unavailable: 6,
  integrity: 7,
  conflict: 8,
  configuration: 9,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const byErrorCode: Readonly<Record<ErrorCode, ExitCode>> = {
  bad_request: exitCodes.usage,
  range_not_satisfiable: exitCodes.usage,
  not_found: exitCodes.notFound,
  unauthenticated: exitCodes.notAllowed,
  forbidden: exitCodes.notAllowed,
  payload_too_large: exitCodes.limit,
  headers_too_large: exitCodes.limit,
  quota_exhausted: exitCodes.limit,
  insufficient_storage: exitCodes.limit,
  unavailable: exitCodes.unavailable,
  deadline_exceeded: exitCodes.unavailable,
  request_timeout: exitCodes.unavailable,
  integrity: exitCodes.integrity,
  bad_digest: exitCodes.integrity,
  conflict: exitCodes.conflict,
  length_required: exitCodes.other,
  unsupported_media_type: exitCodes.other,
  internal: exitCodes.other,
};

export function exitCodeOf(code: ErrorCode): ExitCode {
  return byErrorCode[code];
}

export const exitCodesHelp =
  'Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 not allowed, 5 quota or limit,\n' +
  '6 unavailable, 7 integrity, 8 conflict, 9 configuration, 130 interrupted.';
