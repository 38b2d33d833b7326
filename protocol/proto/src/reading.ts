import { Type } from 'typebox';
import type { HttpRoute } from './contract.ts';
import { CacheState } from './edge.ts';
import { Address, Bytes, Count, strict } from './fields.ts';

/** A request header as it came; its own grammar decides later. */
export const HeaderText = Type.String({ maxLength: 8_192 });

/** Request headers of RFC 9110 that decide what of an object is sent. */
export const readFields = {
  range: Type.Optional(HeaderText),
  if_range: Type.Optional(HeaderText),
  if_none_match: Type.Optional(HeaderText),
  accept: Type.Optional(HeaderText),
  head: Type.Optional(Type.Boolean()),
};

const readHeaders = {
  range: 'range',
  'if-range': 'if_range',
  'if-none-match': 'if_none_match',
  accept: 'accept',
} as const;

/** Each field beside `status` is a response header of the same meaning. */
export const ReadOutput = Type.Object(
  {
    status: Type.Union([Type.Literal(200), Type.Literal(206), Type.Literal(304), Type.Literal(308)]),
    address: Address,
    /** Of the object, whatever part of it or proof for it is sent. */
    size: Bytes,
    /** Absent on redirects, as is `content_type`, which 304 also leaves out. */
    etag: Type.Optional(Type.String()),
    content_type: Type.Optional(Type.String()),
    content_length: Type.Optional(Bytes),
    content_range: Type.Optional(Type.String()),
    content_disposition: Type.Optional(Type.String()),
    content_security_policy: Type.Optional(Type.String()),
    cache_control: Type.String(),
    vary: Type.Optional(Type.String()),
    accept_ranges: Type.Optional(Type.Literal('bytes')),
    /** `*` on what everyone may read anyway, so that sandboxed pages can load their own modules and fonts. */
    access_control_allow_origin: Type.Optional(Type.Literal('*')),
    location: Type.Optional(Type.String()),
    /** Whether the edge had the bytes, and for how many seconds; absent where it does not know. */
    cache: Type.Optional(CacheState),
    age: Type.Optional(Count),
    name: Type.Optional(Type.String({ maxLength: 759, description: 'percent-encoded UTF-8, as in a URL' })),
    name_version: Type.Optional(Count),
  },
  strict,
);

const replyHeaders = {
  address: 'ron-address',
  size: 'ron-size',
  etag: 'etag',
  content_type: 'content-type',
  content_length: 'content-length',
  content_range: 'content-range',
  content_disposition: 'content-disposition',
  content_security_policy: 'content-security-policy',
  cache_control: 'cache-control',
  vary: 'vary',
  accept_ranges: 'accept-ranges',
  access_control_allow_origin: 'access-control-allow-origin',
  location: 'location',
  cache: 'x-cache',
  age: 'age',
  name: 'ron-name',
  name_version: 'ron-name-version',
} as const;

/** GET and HEAD of one path. */
export function readRoutes(path: string): readonly HttpRoute[] {
  const shared = { path, headers: readHeaders, statusField: 'status', replyHeaders } as const;
  return [
    { ...shared, method: 'GET', reply: 'stream' },
    { ...shared, method: 'HEAD', reply: 'empty', fixed: { head: true } },
  ];
}
