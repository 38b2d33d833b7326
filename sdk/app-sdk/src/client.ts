import type { CapabilityView, Right } from '@ron/proto/capability';
import type { ErrorCode } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { AuditCalls, Receipted, ReceiptOption } from './audit.ts';
import type { BoxStats, Mailbox } from './mailbox.ts';
import type { PassportCalls } from './passport.ts';
import type { CopyHolder, Pins } from './pins.ts';
import type { RegistryCalls } from './registry.ts';
import type { ServiceTable } from './transport.ts';

/** The calls of a node, the same over HTTP and OAP, in Node and in browsers. Every call rejects with `RonClientError`. */
export interface RonClient extends AsyncDisposable {
  readonly blobs: Blobs;
  readonly names: Names;
  readonly bundles: Bundles;
  readonly caps: Caps;
  readonly node: NodeCalls;
  readonly pins: Pins;
  readonly passport: PassportCalls;
  readonly audit: AuditCalls;
  readonly registry: RegistryCalls;
  /** Any operation of a service whose table is at hand, as `@ron/app-sdk/services` has them; input and output are the DTOs. */
  call(
    service: ServiceTable,
    operation: string,
    input: Readonly<Record<string, unknown>>,
    options?: CallOptions & { readonly mutation?: boolean },
  ): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Names, metadata of objects and statistics of boxes in one call under one deadline, at most 64, 64 and 16. Each item
   * has its own result, in the order of the question: what is missing, late or not allowed fails alone.
   */
  view(items: ViewItems, options?: CallOptions): Promise<View>;
  /** A box by its name, one label. It is there from the first message on; nothing is asked before the first call. */
  mailbox(box: string): Mailbox;
  /** The boxes of the capability's tenant, by name. */
  mailboxes(options?: CallOptions): AsyncIterable<BoxStats>;
}

export interface CallOptions {
  /** Ends the call; what was sent so far leaves no half object. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the whole call, retries included. Default 30 000 for control calls; none for streams, which must progress. */
  readonly timeoutMs?: number;
  /** 8–64 of `[A-Za-z0-9_-]`: finds the call in the node's log. */
  readonly corrId?: string;
}

export interface TransferOptions extends CallOptions {
  onProgress?(progress: Progress): void;
}

export interface Progress {
  readonly doneBytes: number;
  /** Undefined while unknown. */
  readonly totalBytes: number | undefined;
}

/**
 * What can be stored. A `ReadableSource` can be read again, so its upload can be resumed and skipped when the node
 * already has it; the others are sent once.
 */
export type BlobSource = Uint8Array | string | Blob | ReadableStream<Uint8Array> | ByteStream | ReadableSource;

export interface ReadableSource {
  readonly sizeBytes: number;
  /** The bytes `[start, end)`; may be called more than once. */
  read(start: number, end: number): ByteStream;
}

export interface PutResult {
  readonly address: string;
  readonly size: number;
  /** false: the node had it already. */
  readonly stored: boolean;
  /** What the node did before it answered; undefined when it had the object already. */
  readonly durability: 'memory' | 'fsync' | undefined;
  /** With `copies`: the nodes that have it, each as durably as the asked one. */
  readonly copies?: readonly CopyHolder[];
  /** Bytes of the object that travelled for this put. */
  readonly sentBytes: number;
}

export interface Range {
  /** First byte. */
  readonly start: number;
  /** One past the last byte; default the end. */
  readonly end?: number;
}

export interface GetOptions extends TransferOptions {
  readonly range?: Range;
  /** Default true: nothing is yielded that does not fit the address. False saves the proof's 0.1 %. */
  readonly verify?: boolean;
}

export interface BlobReply {
  readonly address: string;
  /** Bytes of the whole object. */
  readonly size: number;
  readonly start: number;
  readonly end: number;
  readonly contentType: string | undefined;
  /** Verified pieces; iterating throws `integrity` at the first bad group. */
  readonly stream: ByteStream;
  readable(): ReadableStream<Uint8Array>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
}

export interface PutOptions extends TransferOptions {
  /** Where the caller has computed it already; the node checks it in any case. */
  readonly address?: string;
  /** Do not ask first whether the node has it. */
  readonly assumeMissing?: boolean;
  /**
   * On so many nodes before it resolves, 1 to 16, and from then on (`pins`). With too few of them `unavailable`: the object is
   * stored on the asked one, and the wish stays.
   */
  readonly copies?: number;
}

export interface Blobs {
  put(source: BlobSource, options?: PutOptions): Promise<PutResult>;
  get(address: string, options?: GetOptions): Promise<BlobReply>;
  has(addresses: readonly string[], options?: CallOptions): Promise<{ present: string[]; missing: string[] }>;
  stat(address: string, options?: CallOptions): Promise<{ address: string; size: number }>;
  /** Local: the address of these bytes. */
  address(source: BlobSource): Promise<string>;
}

export interface NameRecord {
  readonly name: string;
  readonly address: string;
  readonly version: number;
  readonly prev: string | null;
  readonly updated_at: number;
  readonly owner: string;
  readonly expires_at?: number;
  readonly signature: string;
}

export type ResolvedName = NameRecord & { readonly freshness_ms: number; readonly source: string };

export interface Names {
  /** `ifVersion` 0: only when the name is new. A mismatch is `conflict`. */
  set(
    name: string,
    address: string,
    options: CallOptions & { ifVersion?: number; expiresAtMs?: number; receipt: true },
  ): Promise<NameRecord & Receipted>;
  set(
    name: string,
    address: string,
    options?: CallOptions & ReceiptOption & { ifVersion?: number; expiresAtMs?: number },
  ): Promise<NameRecord & Partial<Receipted>>;
  resolve(name: string, options?: CallOptions & { fresh?: boolean }): Promise<ResolvedName>;
  history(name: string, options?: CallOptions): AsyncIterable<NameRecord>;
  list(prefix?: string, options?: CallOptions): AsyncIterable<NameRecord>;
  remove(name: string, options: CallOptions & { ifVersion?: number; receipt: true }): Promise<Receipted>;
  remove(name: string, options?: CallOptions & ReceiptOption & { ifVersion?: number }): Promise<Partial<Receipted>>;
  /** Points the name at the address of an earlier version: a new version, compare-and-set against the present one. */
  rollback(name: string, version: number, options?: CallOptions): Promise<NameRecord>;
  /** The content that a name (or a path in its bundle) points at, verified against the address that the node names. */
  get(path: string, options?: GetOptions): Promise<NamedReply>;
}

export interface ViewItems {
  readonly names?: readonly string[];
  /** Addresses. */
  readonly objects?: readonly string[];
  readonly boxes?: readonly string[];
}

/** `forbidden` says nothing about whether the item is there. */
export type ViewResult<T> =
  | { readonly ok: T; readonly error?: never }
  | {
      readonly ok?: never;
      readonly error: { readonly code: ErrorCode; readonly message: string; readonly retryable: boolean };
    };

export interface View {
  readonly names: readonly ViewResult<ResolvedName>[];
  readonly objects: readonly ViewResult<ObjectStat>[];
  readonly boxes: readonly ViewResult<BoxStats>[];
}

export interface ObjectStat {
  readonly address: string;
  readonly size: number;
  readonly state: 'live' | 'trash' | 'quarantined';
  readonly created_at: number;
  readonly durability: 'memory' | 'fsync';
}

export interface NamedReply extends BlobReply {
  readonly name: string;
  readonly version: number;
  /** Set instead of a body when the path is a folder with a page of its own: the URL path of that page. */
  readonly location?: string;
}

export interface BundleEntry {
  readonly path: string;
  readonly address: string;
  readonly size: number;
  readonly mime: string;
}

export interface BundleSource {
  readonly path: string;
  readonly mime?: string;
  readonly source: BlobSource;
}

export interface Bundles {
  /** Stores what is missing (asked 1,000 addresses at a time), then the manifest. */
  put(
    entries: AsyncIterable<BundleSource> | Iterable<BundleSource>,
    options?: TransferOptions,
  ): Promise<PutResult & { readonly entries: readonly BundleEntry[]; readonly storedEntries: number }>;
  open(address: string, options?: CallOptions): Promise<Bundle>;
}

export interface Bundle {
  readonly address: string;
  readonly entries: readonly BundleEntry[];
  get(path: string, options?: GetOptions): Promise<BlobReply>;
}

export interface Caps {
  /** Offline: a weaker capability. Rights are ANDed with what the capability already allows. */
  attenuate(
    changes: { rights?: readonly Right[]; expiresAtMs?: number; bodyBytesMax?: number },
    capability?: string,
  ): string;
  /** Offline: what a capability says; nothing is proved by reading it. */
  inspect(capability?: string): CapabilityView;
  /** What the node makes of this client's capability. */
  whoami(options?: CallOptions): Promise<CapabilityView>;
}

export interface NodeCalls {
  readiness(
    options?: CallOptions,
  ): Promise<{ ready: boolean; gates: { gate: string; ok: boolean; reason?: string }[] }>;
  version(options?: CallOptions): Promise<Record<string, unknown>>;
  metrics(options?: CallOptions): Promise<string>;
  why(address: string, options?: CallOptions): Promise<Record<string, unknown>>;
  /** Where a name is found: on the node, or by which of the nodes that it trusts. */
  traceName(path: string, options?: CallOptions): Promise<Record<string, unknown>>;
  collect(options?: CallOptions & { dryRun?: boolean }): Promise<Record<string, unknown>>;
  undelete(address: string, options?: CallOptions): Promise<Record<string, unknown>>;
  scrub(
    action: 'start' | 'status' | 'stop',
    options?: CallOptions & { bytesPerSecond?: number },
  ): Promise<Record<string, unknown>>;
  usage(options?: CallOptions): Promise<Record<string, unknown>>;
}
