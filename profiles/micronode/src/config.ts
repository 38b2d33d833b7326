import { GatewayConfig } from '@ron/svc-gateway/service';
import { IndexConfig } from '@ron/svc-index/service';
import { MailboxConfig } from '@ron/svc-mailbox/service';
import { StorageConfig } from '@ron/svc-storage/service';
import { type Static, Type } from 'typebox';

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
    owner_capability_days: Type.Integer({
      default: 7,
      minimum: 1,
      maximum: 366,
      description: 'days for which the capability printed at start is valid',
    }),
    drain_ms: Type.Integer({
      default: 10_000,
      minimum: 0,
      maximum: 600_000,
      description: 'milliseconds that running requests get at stop',
    }),
    log_level: Type.Union(
      [
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
        Type.Literal('silent'),
      ],
      { default: 'warn', description: 'least severe log lines that are written to standard error' },
    ),
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

/** Every table of `config.toml`, by name. */
export const micronodeTables = {
  server: ServerConfig,
  memory: MemoryConfig,
  disk: DiskConfig,
  storage: StorageConfig,
  index: IndexConfig,
  mailbox: MailboxConfig,
  gateway: GatewayConfig,
} as const;
export type MicronodeTables = typeof micronodeTables;
