export type { Hasher } from './blobs.ts';
export type {
  BlobReply,
  BlobSource,
  Blobs,
  Bundle,
  BundleEntry,
  BundleSource,
  Bundles,
  CallOptions,
  Caps,
  GetOptions,
  NamedReply,
  NameRecord,
  Names,
  NodeCalls,
  Progress,
  PutOptions,
  PutResult,
  Range,
  ReadableSource,
  RonClient,
  TransferOptions,
} from './client.ts';
export { type ConnectOptions, connect } from './connect.ts';
export {
  AccessError,
  ConflictError,
  IntegrityError,
  NotFoundError,
  QuotaError,
  RonClientError,
  UnavailableError,
} from './errors.ts';
export { mimeOf } from './mime.ts';
export type { Platform, Transport, TransportReply, TransportRequest } from './transport.ts';
export { resumableBytesMin } from './upload.ts';
