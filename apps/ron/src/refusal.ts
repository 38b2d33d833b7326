import type { ErrorCode } from '@ron/proto/errors';

/** Whether an error is a refusal with this code of the protocol's table. */
export function hasCode(thrown: unknown, code: ErrorCode): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}
