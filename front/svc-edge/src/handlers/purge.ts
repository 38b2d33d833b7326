import type { EdgeContext } from '../edge-context.ts';
import { addressOf, plainPath } from '../groups/address-path.ts';
import { keyOf } from '../inquiry.ts';

/**
 * What is to go: one URL with all its variants, all that begins with a prefix, or everything. A URL is absolute or a path;
 * where hosts are kept apart a path means it for every host.
 */
export type PurgeSelection = { readonly url: string } | { readonly prefix: string } | { readonly all: true };

/**
 * Removes what is stored, on every tier, and keeps out what is being fetched. Returns how many there were: responses, and
 * groups and outboards of verified objects.
 */
export function purge(edge: EdgeContext, selection: PurgeSelection): number {
  return purgeResponses(edge, selection) + purgeObjects(edge, selection);
}

/** Beginnings of the two routes that end before an address is whole. */
const towardsAddress = /^\/(?:g|ge|(?:o|get)(?:\/(?:b|b3|b3:[0-9a-f]{0,63})?)?)?$/i;

/** An address is one object whatever its URL looks like. Of a prefix that no address is told from, all are meant. */
function purgeObjects({ objects }: EdgeContext, selection: PurgeSelection): number {
  if (objects === undefined) return 0;
  if ('all' in selection) return objects.purge(undefined).entries;
  const { target } = splitUrl('url' in selection ? selection.url : selection.prefix);
  const path = plainPath(target);
  const address = addressOf(target)?.address ?? /^\/o\/(b3:[0-9a-f]{64})\.[a-z]*$/i.exec(path)?.[1]?.toLowerCase();
  if (address !== undefined) return objects.purge(address).entries;
  return 'prefix' in selection && towardsAddress.test(path) ? objects.purge(undefined).entries : 0;
}

function purgeResponses(edge: EdgeContext, selection: PurgeSelection): number {
  if (!('url' in selection)) return purgeMeant(edge, meantBy(edge, selection));
  const { host, target } = splitUrl(selection.url);
  if (edge.keepHost && host === undefined) return purgeMeant(edge, (key) => targetOf(key) === target);
  return forget(edge, keyOf(edge, host, target));
}

/** One stored resource with all its variants, and what of it is being fetched. */
export function forget(edge: EdgeContext, key: string): number {
  edge.flights.overtake(key);
  return edge.store.removeAll(key);
}

function purgeMeant(edge: EdgeContext, isMeant: (key: string) => boolean): number {
  edge.flights.overtakeAll(isMeant);
  return edge.store.removeWhere(isMeant);
}

function meantBy(edge: EdgeContext, selection: Exclude<PurgeSelection, { url: string }>): (key: string) => boolean {
  if ('all' in selection) return () => true;
  const { host, target } = splitUrl(selection.prefix);
  if (!edge.keepHost) return (key) => key.startsWith(target);
  if (host === undefined) return (key) => targetOf(key).startsWith(target);
  const prefix = keyOf(edge, host, target);
  return (key) => key.startsWith(prefix);
}

/** Of a key that begins with its host. */
function targetOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}

const absolute = /^https?:\/\/([^/?#\s]+)([/?][^#\s]*)?$/i;

/** Not by a URL parser: it would rewrite the target, which is stored as it was sent. */
export function isPurgeUrl(url: string): boolean {
  return absolute.test(url) || /^\/[^#\s]*$/.test(url);
}

/** Splits what `isPurgeUrl` lets through. */
export function splitUrl(url: string): { readonly host: string | undefined; readonly target: string } {
  const [, host, rest = '/'] = absolute.exec(url) ?? [];
  if (host === undefined) return { host: undefined, target: url };
  return { host, target: rest.startsWith('/') ? rest : `/${rest}` };
}
