import { RonError } from '@ron/proto/errors';

/** The resumable upload protocol of https://tus.io, version 1.0: core, creation, termination, expiration. */
export const tusVersion = '1.0.0';
export const tusExtensions = 'creation,termination,expiration';
export const tusBodyType = 'application/offset+octet-stream';
/** A creation with this type carries the outboard of what will come, and every group is verified as it arrives. */
export const outboardType = 'application/vnd.ron.b3-outboard';

/**
 * Refuses another version than 1.0.0. Its absence is accepted: what the header would tell is in the contract.
 * (tus asks for 412 here; the error table has one code for malformed requests.)
 */
export function requireTusVersion(header: string | undefined): void {
  if (header === undefined || header === tusVersion) return;
  throw new RonError('bad_request', `this node speaks tus ${tusVersion} only`, {
    details: { tus_version: tusVersion },
  });
}

/** `Upload-Length` and `Upload-Offset`: digits, at most 2^53−1. */
export function parseByteCount(text: string, header: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RonError('bad_request', `${header} is a whole number of bytes, at most 2^53-1`);
}

/** `type/subtype` in lower case, without parameters. */
export function mediaTypeOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const semicolon = header.indexOf(';');
  return (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase();
}

const pair = /^[\x21-\x2b\x2d-\x7e]+(?: [A-Za-z0-9+/]*={0,2})?$/;

/** Checks the form of `Upload-Metadata` (key and base64 value, comma-separated). Its content has no meaning here. */
export function checkMetadata(header: string | undefined): void {
  if (header === undefined || header === '') return;
  for (const member of header.split(',')) {
    if (!pair.test(member.trim())) throw new RonError('bad_request', 'Upload-Metadata: "key base64" pairs and commas');
  }
}
