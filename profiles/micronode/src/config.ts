import { AuditConfig } from '@ron/audit/service';
import { KmsConfig } from '@ron/kms/service';
import { type LiveConfig, serverFields } from '@ron/service';
import { DhtConfig } from '@ron/svc-dht/service';
import { EdgeConfig } from '@ron/svc-edge/service';
import { GatewayConfig } from '@ron/svc-gateway/service';
import { IndexConfig } from '@ron/svc-index/service';
import { MailboxConfig } from '@ron/svc-mailbox/service';
import { OverlayConfig } from '@ron/svc-overlay/service';
import { PassportConfig } from '@ron/svc-passport/service';
import { RegistryConfig } from '@ron/svc-registry/service';
import { StorageConfig } from '@ron/svc-storage/service';
import { type Static, Type } from 'typebox';
import { NetworkConfig } from './network/network-config.ts';

const MiB = 1_024 * 1_024;

const strict = { additionalProperties: false } as const;

/** Table `server`: the process itself. Changes need a restart. */
export const ServerConfig = Type.Object(
  {
    listen: Type.String({
      default: '127.0.0.1:9600',
      description: 'host:port of HTTP; a loopback address, port 0 for any free one',
    }),
    allow_remote: Type.Boolean({
      default: false,
      safeValue: false,
      description: 'lets HTTP listen beyond loopback, for a host whose TLS ends in front of the node',
    }),
    oap_listen: Type.String({ default: '', description: 'host:port or unix:<path> of OAP/1; empty: none' }),
    oap_private_plane: Type.Boolean({
      default: false,
      safeValue: false,
      description:
        'also answers for storage, index and mailbox on OAP/1, past the quota of the gateway: for processes of the same operator',
    }),
    audience: Type.String({
      default: 'ron',
      minLength: 1,
      maxLength: 128,
      description: 'the name that capabilities of this node carry',
    }),
    audit_origin: Type.String({
      default: '',
      maxLength: 128,
      pattern: '^([a-z0-9][a-z0-9.-]*(/[A-Za-z0-9._-]+)+)?$',
      description:
        'the name of the audit log, such as example.com/audit, which must never change; empty: from the node’s key',
    }),
    owner_capability_days: Type.Integer({
      default: 7,
      minimum: 1,
      maximum: 366,
      description: 'days for which the capability printed at start is valid',
    }),
    drain_notice_ms: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 60_000,
      description: 'milliseconds at stop for which the node still serves but is not ready, for balancers to see it',
    }),
    ...serverFields,
    inflight_max: Type.Integer({
      default: 512,
      minimum: 8,
      maximum: 65_536,
      description: 'requests in flight for each service',
    }),
  },
  strict,
);
export type ServerConfig = Static<typeof ServerConfig>;

/** Table `memory`: budgets of the RAM engines. Changes need a restart. */
export const MemoryConfig = Type.Object(
  {
    blob_bytes_max: Type.Integer({
      default: 1_024 * MiB,
      minimum: MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of all objects in RAM',
    }),
    mailbox_bytes_max: Type.Integer({
      default: 256 * MiB,
      minimum: MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of all messages in RAM; past it a send is refused with 507',
    }),
    audit_entries_max: Type.Integer({
      default: 65_536,
      minimum: 256,
      maximum: 16_777_216,
      description: 'entries of the audit log kept in RAM; of older ones the hashes stay',
    }),
    audit_bytes_max: Type.Integer({
      default: 64 * MiB,
      minimum: MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of the audit log’s entries in RAM',
    }),
  },
  strict,
);
export type MemoryConfig = Static<typeof MemoryConfig>;

/** Table `disk`: budgets of the engines on disk. Changes need a restart. */
export const DiskConfig = Type.Object(
  {
    blob_bytes_max: Type.Integer({
      default: 1_024 * 1_024 * MiB,
      minimum: MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of all objects on disk',
    }),
    mailbox_bytes_max: Type.Integer({
      default: 16 * 1_024 * MiB,
      minimum: MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of all messages on disk; past it a send is refused with 507',
    }),
    objects_max: Type.Integer({ default: 20_000_000, minimum: 1, maximum: 1e9, description: 'objects on disk' }),
    reserve_bytes: Type.Integer({
      default: 128 * MiB,
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'free bytes of the file system below which writes are refused with 507',
    }),
    accept_lost_changes: Type.Boolean({
      default: false,
      safeValue: false,
      description:
        'ready although changes of passports, policy or registry went bad on disk: for who has compared them with a backup',
    }),
    audit_retention_days: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 36_500,
      description: 'days after which entries of the audit log are given up, their hashes never; 0: none are',
    }),
    hot_bytes: Type.Integer({
      default: 64 * MiB,
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'verified bytes kept in RAM for repeated reads',
    }),
  },
  strict,
);
export type DiskConfig = Static<typeof DiskConfig>;

/** Table `policy`: who decides about the first policy of the node. Changes need a restart. */
export const PolicyRootsConfig = Type.Object(
  {
    root_signers: Type.Array(
      Type.String({ pattern: '^[A-Za-z0-9._@-]{1,128}:[A-Za-z0-9_-]{43}(:[A-Za-z0-9_-]{2603})?$' }),
      {
        default: [],
        maxItems: 16,
        description: '"name:<Ed25519 key>" or "name:<Ed25519 key>:<ML-DSA-65 key>", as `ron policy keygen` prints them',
      },
    ),
    root_threshold: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 16,
      description: 'how many of them it takes; 0: all',
    }),
  },
  strict,
);
export type PolicyRootsConfig = Static<typeof PolicyRootsConfig>;

/** Tables of what every profile is made of, by name. */
export const serviceTables = {
  memory: MemoryConfig,
  disk: DiskConfig,
  storage: StorageConfig,
  index: IndexConfig,
  mailbox: MailboxConfig,
  edge: EdgeConfig,
  gateway: GatewayConfig,
  passport: PassportConfig,
  policy: PolicyRootsConfig,
  audit: AuditConfig,
  registry: RegistryConfig,
  kms: KmsConfig,
} as const;

/** Every table of `config.toml`, by name. */
export const micronodeTables = {
  server: ServerConfig,
  ...serviceTables,
  network: NetworkConfig,
  overlay: OverlayConfig,
  dht: DhtConfig,
} as const;
export type MicronodeTables = typeof micronodeTables;

/** A configuration that has this table, whatever else it has: what a part needs that several profiles are made of. */
export interface Reads<K extends string, V> {
  table(name: K): LiveConfig<V>;
}
