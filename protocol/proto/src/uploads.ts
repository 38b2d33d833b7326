import { Type } from 'typebox';
import type { HttpRoute, Operation } from './contract.ts';
import { Address, Bytes, strict } from './fields.ts';
import { HeaderText } from './reading.ts';
import { UploadId, UploadState } from './storage.ts';

/** Version of the tus protocol on every answer about uploads (tus 1.0, "Headers"). */
const tusVersion = Type.Literal('1.0.0');

const uploadHeaders = {
  upload_id: 'ron-upload-id',
  size: 'upload-length',
  offset: 'upload-offset',
  address: 'ron-address',
  missing: 'ron-missing',
  durability: 'ron-durability',
  upload_expires: 'upload-expires',
  tus_resumable: 'tus-resumable',
  cache_control: 'cache-control',
} as const;

const Upload = Type.Object(
  {
    ...UploadState.properties,
    location: Type.String({ description: 'path of the upload on this node' }),
    upload_expires: Type.String({ description: '`expires_at` as an HTTP date' }),
    tus_resumable: tusVersion,
    cache_control: Type.Literal('no-store'),
  },
  strict,
);
const createdHeaders = { ...uploadHeaders, location: 'location' } as const;
const tusHeader = { tus_resumable: 'tus-resumable' } as const;

/** Resumable uploads as the gateway offers them. */
export const uploadOperations = {
  upload_create: {
    summary: 'Begin a resumable upload (tus 1.0 creation; with an outboard as body, the verified form)',
    input: Type.Object(
      {
        upload_length: Type.Optional(Type.String({ pattern: '^[0-9]{1,16}$' })),
        upload_metadata: Type.Optional(HeaderText),
        tus_resumable: Type.Optional(HeaderText),
        content_type: Type.Optional(HeaderText),
        address: Type.Optional(Address),
      },
      strict,
    ),
    output: Upload,
    errors: ['length_required', 'bad_digest', 'payload_too_large', 'insufficient_storage', 'unsupported_media_type'],
    scopes: [{ method: 'write', resource: 'o/' }],
    body: 'in',
    mutation: true,
    http: [
      {
        method: 'POST',
        path: '/uploads',
        headers: {
          'upload-length': 'upload_length',
          'upload-metadata': 'upload_metadata',
          'tus-resumable': 'tus_resumable',
          'content-type': 'content_type',
          'ron-address': 'address',
        },
        status: 201,
        replyHeaders: createdHeaders,
        reply: 'json',
      },
    ],
  },
  upload_status: {
    summary: 'Where an upload stands; completes one whose bytes are all here',
    input: Type.Object({ upload_id: UploadId, tus_resumable: Type.Optional(HeaderText) }, strict),
    output: Upload,
    errors: ['not_found', 'bad_digest', 'insufficient_storage'],
    scopes: [{ method: 'write', resource: 'o/' }],
    http: [
      {
        method: 'HEAD',
        path: '/uploads/:upload_id',
        headers: { 'tus-resumable': 'tus_resumable' },
        replyHeaders: uploadHeaders,
        reply: 'empty',
      },
      { method: 'GET', path: '/uploads/:upload_id', reply: 'json' },
    ],
  },
  upload_write: {
    summary: 'Send bytes of an upload',
    input: Type.Object(
      {
        upload_id: UploadId,
        upload_offset: Type.String({ pattern: '^[0-9]{1,16}$' }),
        tus_resumable: Type.Optional(HeaderText),
        content_type: Type.Optional(HeaderText),
      },
      strict,
    ),
    output: Upload,
    errors: [
      'not_found',
      'conflict',
      'bad_digest',
      'payload_too_large',
      'insufficient_storage',
      'request_timeout',
      'unsupported_media_type',
    ],
    scopes: [{ method: 'write', resource: 'o/' }],
    body: 'in',
    mutation: true,
    http: [
      {
        method: 'PATCH',
        path: '/uploads/:upload_id',
        headers: {
          'upload-offset': 'upload_offset',
          'tus-resumable': 'tus_resumable',
          'content-type': 'content_type',
        },
        status: 204,
        replyHeaders: uploadHeaders,
        reply: 'empty',
      },
    ],
  },
  upload_abort: {
    summary: 'Drop an upload',
    input: Type.Object({ upload_id: UploadId, tus_resumable: Type.Optional(HeaderText) }, strict),
    output: Type.Object({ tus_resumable: tusVersion }, strict),
    errors: ['not_found'],
    scopes: [{ method: 'write', resource: 'o/' }],
    frees: true,
    mutation: true,
    http: [
      {
        method: 'DELETE',
        path: '/uploads/:upload_id',
        headers: { 'tus-resumable': 'tus_resumable' },
        status: 204,
        replyHeaders: tusHeader,
        reply: 'empty',
      },
    ],
  },
  upload_options: {
    summary: 'What this node knows of the tus protocol; open to everyone, as tus asks',
    input: Type.Object({ upload_id: Type.Optional(UploadId) }, strict),
    output: Type.Object(
      { tus_resumable: tusVersion, tus_version: tusVersion, tus_extension: Type.String(), tus_max_size: Bytes },
      strict,
    ),
    errors: [],
    scopes: [],
    http: ['/uploads', '/uploads/:upload_id'].map(
      (path): HttpRoute => ({
        method: 'OPTIONS',
        path,
        status: 204,
        replyHeaders: {
          ...tusHeader,
          tus_version: 'tus-version',
          tus_extension: 'tus-extension',
          tus_max_size: 'tus-max-size',
        },
        reply: 'empty',
      }),
    ),
  },
} as const satisfies Record<string, Operation>;
