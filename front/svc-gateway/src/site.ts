import { findEntry, findEntryOrIndex, type Manifest, type ManifestEntry } from '@ron/naming';

export type SiteAnswer =
  | { readonly kind: 'entry'; readonly entry: ManifestEntry }
  /** A folder asked for without its slash: relative links of its page would lead astray. */
  | { readonly kind: 'redirect'; readonly entry: ManifestEntry }
  /** The bundle itself was asked for and has no page of its own. */
  | { readonly kind: 'manifest' }
  | { readonly kind: 'missing' };

/**
 * What a bundle answers as a web site. `rest` is the path inside it without a slash at either end; `folder` says that
 * the URL ended in one.
 */
export function answerOfSite(manifest: Manifest, rest: string, folder: boolean): SiteAnswer {
  if (rest === '' && !folder) {
    const index = findEntry(manifest, 'index.html');
    return index === undefined ? { kind: 'manifest' } : { kind: 'redirect', entry: index };
  }
  const asked = folder && rest !== '' ? `${rest}/` : rest;
  const entry = findEntryOrIndex(manifest, asked);
  if (entry === undefined) return { kind: 'missing' };
  return entry.path === asked || folder ? { kind: 'entry', entry } : { kind: 'redirect', entry };
}

/**
 * Pages of a bundle are somebody's content on the API's own origin: the sandbox gives them an origin of none, so
 * that their scripts run but can neither read other answers of this node nor anything that its dashboard keeps.
 */
export const sitePolicy = 'sandbox allow-scripts allow-forms allow-popups allow-downloads allow-modals';

/** A path as it stands in a URL: percent-encoded but for slashes and colons. It must be well-formed Unicode. */
export function encodePath(path: string): string {
  return encodeURIComponent(path).replaceAll('%2F', '/').replaceAll('%3A', ':');
}
