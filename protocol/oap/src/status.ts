import { type ErrorCode, errorCodes, errorFromEnvelope, errorTable, RonError } from '@ron/proto/errors';
import { limits } from './limits.ts';
import { parseStrictJson } from './strict-json.ts';

const codeByStatus = new Map<number, ErrorCode>(errorCodes.map((code) => [errorTable[code].http, code]));

/** Successful values of a response's `code`: done, accepted, part of the whole. */
export const okStatuses: readonly number[] = [0, 202, 206];

/** The `code` that a frame carries for an error. */
export function statusOfCode(code: ErrorCode): number {
  return errorTable[code].http;
}

/** The error that a status stands for; one that the table does not know is `internal`. */
export function codeOfStatus(status: number): ErrorCode {
  return codeByStatus.get(status) ?? 'internal';
}

/** True for the `code` of an error frame. */
export function isErrorStatus(status: number): boolean {
  return status >= 400 && status <= 599;
}

/** The error inside an error frame. An envelope that cannot be read leaves what the status alone says. */
export function errorFromFrame(status: number, payload: Uint8Array): RonError {
  if (payload.length === 0) return errorFromStatus(status);
  try {
    return errorFromEnvelope(parseStrictJson(payload, { bytesMax: limits.maxFrameBytes }));
  } catch (cause) {
    return new RonError(codeOfStatus(status), 'the peer sent an unreadable error', { cause });
  }
}

function errorFromStatus(status: number): RonError {
  return new RonError(codeOfStatus(status), `the peer refused with status ${status}`);
}
