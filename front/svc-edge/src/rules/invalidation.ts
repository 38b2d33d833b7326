import { type Fields, firstLineOf } from '../fields/fields.ts';

/** Methods that change nothing. Of one that is not listed nothing is known: it counts as unsafe. RFC 9110, 9.2.1. */
const safe = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH']);

/**
 * Targets, in origin form, whose stored responses a success of an unsafe method makes invalid: its own, and those of
 * Location and Content-Location as far as they are of the same origin. RFC 9111, 4.4.
 */
export function invalidatedTargets(
  method: string,
  target: string,
  status: number,
  response: Fields,
  authorities: readonly string[],
): string[] {
  if (safe.has(method) || status < 200 || status >= 400) return [];
  const targets = new Set([target]);
  for (const name of ['location', 'content-location']) {
    const named = resolveTarget(firstLineOf(response, name), target, authorities);
    if (named !== undefined) targets.add(named);
  }
  return [...targets];
}

/** The target that a reference means, when it is one of `authorities`; the first stands for the request's own. */
export function resolveTarget(
  reference: string | undefined,
  target: string,
  authorities: readonly string[],
): string | undefined {
  if (reference === undefined) return undefined;
  const base = `http://${authorities[0] ?? 'origin.invalid'}${target.startsWith('/') ? target : '/'}`;
  if (!URL.canParse(reference, base)) return undefined;
  const url = new URL(reference, base);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const same = authorities.some((authority) => authority.toLowerCase() === url.host || sameHost(authority, url));
  return same ? `${url.pathname}${url.search}` : undefined;
}

/** The authority with its default port written out or not. */
function sameHost(authority: string, url: URL): boolean {
  const written = `${url.protocol}//${authority}`;
  return URL.canParse(written) && new URL(written).host === url.host;
}
