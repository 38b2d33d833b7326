import type { Manifest } from '@ron/naming';
import type { Call } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { emptyBody } from '@ron/proto/stream';
import type { Caching } from './caching.ts';
import {
  type ObjectReader,
  type ReadFields,
  type ReadOutput,
  type ReadReply,
  type ReadTarget,
  unknownType,
} from './object-reader.ts';
import { answerOfSite, encodePath, sitePolicy } from './site.ts';

export interface BundlePlace {
  /** Address of the manifest. */
  readonly address: string;
  readonly manifest: Manifest;
  /** Path inside the bundle, without a slash at its ends. */
  readonly rest: string;
  /** The URL ended in a slash. */
  readonly folder: boolean;
  /** Path of the URL as the caller wrote it, decoded, for redirects. */
  readonly urlPath: string;
  readonly caching: Caching;
  readonly name?: string;
  readonly nameVersion?: number;
}

/** Serves a place in a bundle: an entry with its own media type, in a sandbox; or the redirect to a folder's slash. */
export async function readBundle(
  reader: ObjectReader,
  place: BundlePlace,
  fields: ReadFields,
  call: Call,
): Promise<ReadReply> {
  const answer = answerOfSite(place.manifest, place.rest, place.folder);
  if (answer.kind === 'missing') {
    throw new RonError('not_found', 'the bundle has no such entry', { details: { bundle: place.address } });
  }
  if (answer.kind === 'redirect') return redirectTo(place, answer.entry.size);
  const named = {
    ...(place.name === undefined ? {} : { name: place.name }),
    ...(place.nameVersion === undefined ? {} : { nameVersion: place.nameVersion }),
  };
  const target: ReadTarget =
    answer.kind === 'manifest'
      ? { address: place.address, contentType: unknownType, caching: place.caching, ...named }
      : {
          address: answer.entry.address,
          contentType: answer.entry.mime,
          contentSecurityPolicy: sitePolicy,
          caching: place.caching,
          ...named,
        };
  return reader.read(target, fields, call);
}

function redirectTo(place: BundlePlace, size: number): ReadReply {
  const output: ReadOutput = {
    status: 308,
    address: place.address,
    size,
    content_length: 0,
    cache_control: place.caching.cacheControl,
    location: `${encodePath(place.urlPath)}/`,
    ...(place.name === undefined ? {} : { name: place.name }),
    ...(place.nameVersion === undefined ? {} : { name_version: place.nameVersion }),
  };
  return { output, body: emptyBody };
}

/** A URL path as sent after its route's prefix, taken apart at the trailing slash. */
export function splitFolder(path: string): { readonly rest: string; readonly folder: boolean } {
  const folder = path.endsWith('/');
  return { rest: folder ? path.slice(0, -1) : path, folder };
}
