export type {
  AuditCalls,
  AuditCheckpoint,
  AuditReceipt,
  Receipted,
  ReceiptOption,
} from './audit.ts';
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
  ObjectStat,
  Progress,
  PutOptions,
  PutResult,
  Range,
  ReadableSource,
  ResolvedName,
  RonClient,
  TransferOptions,
  View,
  ViewItems,
  ViewResult,
} from './client.ts';
export { type ConnectOptions, connect } from './connect.ts';
export type { CredentialOptions, ProofKey, Rotation } from './credential.ts';
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
export type { PassportCalls, Revoked } from './passport.ts';
export type { CopyHolder, PinnedObject, Pins, RepairReport } from './pins.ts';
export type { FollowedSnapshot, FollowOptions, RegistryCalls, RegistryDocument } from './registry.ts';
export type { Access, Platform, ServiceTable, Transport, TransportReply, TransportRequest } from './transport.ts';
export { resumableBytesMin } from './upload.ts';
