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
export type { KeptLease, LeaseKeeper } from './lease-keeper.ts';
export type {
  BoxStats,
  DeadLetter,
  LeaseResult,
  Mailbox,
  Message,
  MessageBody,
  MessageHandler,
  ProcessOptions,
  ReceivedMessage,
  ReceiveOptions,
  SendOptions,
  Sent,
  SubscribeOptions,
  TailOptions,
} from './mailbox.ts';
export { mimeOf } from './mime.ts';
export type { Platform, Transport, TransportReply, TransportRequest } from './transport.ts';
export { resumableBytesMin } from './upload.ts';
