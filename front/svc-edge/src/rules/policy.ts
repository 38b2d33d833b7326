import { type Directives, namesOf, parseDirectives, type Seconds, secondsOf } from '../fields/directives.ts';
import { type Fields, linesOf, textOf } from '../fields/fields.ts';
import { parseDictionary } from '../fields/structured-dictionary.ts';

/** What a response says about its own caching, from the field that counts for this cache. */
export interface ResponsePolicy {
  readonly noStore: boolean;
  /** Undefined = not said; empty = for the whole response; otherwise for these fields only. RFC 9111, 5.2.2.4. */
  readonly noCache: readonly string[] | undefined;
  /** As `noCache`. RFC 9111, 5.2.2.7. */
  readonly private: readonly string[] | undefined;
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly maxAge: Seconds | undefined;
  readonly sMaxAge: Seconds | undefined;
  readonly staleWhileRevalidate: Seconds | undefined;
  readonly staleIfError: Seconds | undefined;
  /** It comes from CDN-Cache-Control: then neither Cache-Control nor Expires counts. RFC 9213, 2.2. */
  readonly targeted: boolean;
}

/** What was read before, by the text of Cache-Control: an origin has few of them, and each is needed several times. */
const known = new Map<string, ResponsePolicy>();
const knownMax = 256;
const knownTextMax = 256;

export function readPolicy(fields: Fields): ResponsePolicy {
  const targeted = targetedDirectives(fields);
  if (targeted !== undefined) return policyOf(targeted, true);
  const text = textOf(fields, 'cache-control') ?? '';
  const earlier = known.get(text);
  if (earlier !== undefined) return earlier;
  const policy = policyOf(parseDirectives(text), false);
  if (text.length <= knownTextMax) {
    // All of them leave at once: the few that count are soon back.
    if (known.size >= knownMax) known.clear();
    known.set(text, policy);
  }
  return policy;
}

function policyOf(directives: Directives, targeted: boolean): ResponsePolicy {
  return {
    noStore: directives.has('no-store'),
    noCache: namesOf(directives, 'no-cache'),
    private: namesOf(directives, 'private'),
    public: directives.has('public'),
    mustRevalidate: directives.has('must-revalidate'),
    proxyRevalidate: directives.has('proxy-revalidate'),
    mustUnderstand: directives.has('must-understand'),
    maxAge: secondsOf(directives, 'max-age'),
    sMaxAge: secondsOf(directives, 's-maxage'),
    staleWhileRevalidate: secondsOf(directives, 'stale-while-revalidate'),
    staleIfError: secondsOf(directives, 'stale-if-error'),
    targeted,
  };
}

const withSeconds = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error']);

/** Undefined when the field is absent, empty, or not what RFC 9213, 2.1 asks for: it then counts as absent. */
function targetedDirectives(fields: Fields): Directives | undefined {
  const lines = linesOf(fields, 'cdn-cache-control');
  if (lines.length === 0) return undefined;
  const members = parseDictionary(lines.join(', '));
  if (members === undefined || members.size === 0) return undefined;
  const directives = new Map<string, { argument: string | true | undefined }>();
  for (const [name, item] of members) {
    if (item.kind === 'boolean') {
      if (withSeconds.has(name)) return undefined;
      if (item.value) directives.set(name, { argument: true });
    } else if (withSeconds.has(name)) {
      if (item.kind !== 'integer') return undefined;
      directives.set(name, { argument: item.value < 0 ? undefined : String(item.value) });
    } else directives.set(name, { argument: item.kind === 'string' ? item.value : undefined });
  }
  return directives;
}
