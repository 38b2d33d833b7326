import { deltaSecondsMax } from '../fields/delta-seconds.ts';
import { parseDirectives, secondsOf } from '../fields/directives.ts';
import { type Fields, textOf } from '../fields/fields.ts';
import { splitList } from '../fields/list.ts';

/** What a client asks of caches. RFC 9111, 5.2.1. */
export interface RequestDirectives {
  readonly noCache: boolean;
  readonly noStore: boolean;
  readonly onlyIfCached: boolean;
  /** Seconds; undefined where nothing is asked. A `max-age` that is no number is the strictest, others are ignored. */
  readonly maxAge: number | undefined;
  readonly minFresh: number | undefined;
  readonly maxStale: number | undefined;
}

const nothing: RequestDirectives = {
  noCache: false,
  noStore: false,
  onlyIfCached: false,
  maxAge: undefined,
  minFresh: undefined,
  maxStale: undefined,
};

export function readRequestDirectives(fields: Fields): RequestDirectives {
  const value = textOf(fields, 'cache-control');
  if (value === undefined) {
    // Only in the absence of Cache-Control does the older field mean anything. RFC 9111, 5.4.
    const pragma = textOf(fields, 'pragma');
    const noCache = pragma !== undefined && splitList(pragma.toLowerCase()).includes('no-cache');
    return noCache ? { ...nothing, noCache } : nothing;
  }
  const directives = parseDirectives(value);
  if (directives.size === 0) return nothing;
  const maxAge = secondsOf(directives, 'max-age');
  const minFresh = secondsOf(directives, 'min-fresh');
  const maxStale =
    directives.get('max-stale')?.argument === true ? deltaSecondsMax : secondsOf(directives, 'max-stale');
  return {
    noCache: directives.has('no-cache'),
    noStore: directives.has('no-store'),
    onlyIfCached: directives.has('only-if-cached'),
    maxAge: maxAge === 'invalid' ? 0 : maxAge,
    minFresh: minFresh === 'invalid' ? undefined : minFresh,
    maxStale: maxStale === 'invalid' ? undefined : maxStale,
  };
}
