import { RonError } from '@ron/proto/errors';

/** What a caller expects of a name before it changes. */
export type Expectation =
  /** `if_version` of the index contract: 0 = the name is new, undefined = whatever is there. */
  | { readonly kind: 'version'; readonly version: number | undefined }
  /** `If-Match: *`: some version, whichever. */
  | { readonly kind: 'exists' };

const tag = /^"([1-9][0-9]{0,15})"$/;

/** Reads `If-Match: "<version>"`, `If-Match: *` and `If-None-Match: *`; anything else in them is `bad_request`. */
export function expectationOf(ifMatch: string | undefined, ifNoneMatch: string | undefined): Expectation {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new RonError('bad_request', 'If-Match and If-None-Match exclude each other');
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() === '*') return { kind: 'version', version: 0 };
    throw new RonError('bad_request', 'If-None-Match on a name is "*": the name must be new');
  }
  if (ifMatch === undefined) return { kind: 'version', version: undefined };
  const text = ifMatch.trim();
  if (text === '*') return { kind: 'exists' };
  const version = Number(tag.exec(text)?.[1] ?? Number.NaN);
  if (Number.isSafeInteger(version)) return { kind: 'version', version };
  throw new RonError('bad_request', 'If-Match on a name is its version in quotes, as "7", or *');
}
