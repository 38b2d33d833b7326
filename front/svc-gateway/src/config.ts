import { type Static, Type } from 'typebox';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

/** Of each tenant's calls of one class (`routeClasses` of @ron/proto/contract); by default no less than of all its calls. */
const perSecond = (what: string) =>
  Type.Number({ reload: true, default: 100_000, exclusiveMinimum: 0, description: `${what} a second of one tenant` });
const burst = (what: string) =>
  Type.Integer({
    reload: true,
    default: 200_000,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: `${what} that a tenant may send at once after a pause`,
  });
const bytesPerSecond = (what: string) =>
  Type.Number({ reload: true, default: 16 * GiB, exclusiveMinimum: 0, description: `body bytes a second of ${what}` });
const bytesBurst = (what: string) =>
  Type.Integer({
    reload: true,
    default: 32 * GiB,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: `body bytes of ${what} that a tenant may move at once after a pause`,
  });

/** Table `gateway` of the configuration file. Every field takes effect on reload. */
export const GatewayConfig = Type.Object(
  {
    object_bytes_max: Type.Integer({
      reload: true,
      default: 5 * GiB,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of one object; larger uploads are refused before or while they arrive',
    }),
    ranges_max: Type.Integer({
      reload: true,
      default: 16,
      minimum: 1,
      maximum: 256,
      description: 'byte ranges in one request; more are refused with 416',
    }),
    requests_per_second: Type.Number({
      reload: true,
      default: 100_000,
      exclusiveMinimum: 0,
      description: 'requests a second of one tenant; the default is above what one node serves',
    }),
    burst: Type.Integer({
      reload: true,
      default: 200_000,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'requests that a tenant may send at once after a pause',
    }),
    bytes_per_second: Type.Number({
      reload: true,
      default: 16 * GiB,
      exclusiveMinimum: 0,
      description: 'body bytes a second of one tenant, both directions together',
    }),
    bytes_burst: Type.Integer({
      reload: true,
      default: 32 * GiB,
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'body bytes that a tenant may move at once after a pause',
    }),
    reads_per_second: perSecond('reads'),
    reads_burst: burst('reads'),
    reads_bytes_per_second: bytesPerSecond('reads'),
    reads_bytes_burst: bytesBurst('reads'),
    writes_per_second: perSecond('writes'),
    writes_burst: burst('writes'),
    writes_bytes_per_second: bytesPerSecond('writes'),
    writes_bytes_burst: bytesBurst('writes'),
    messages_per_second: perSecond('calls of mailboxes'),
    messages_burst: burst('calls of mailboxes'),
    messages_bytes_per_second: bytesPerSecond('messages'),
    messages_bytes_burst: bytesBurst('messages'),
    admin_per_second: perSecond('calls of administration'),
    admin_burst: burst('calls of administration'),
    admin_bytes_per_second: bytesPerSecond('administration'),
    admin_bytes_burst: bytesBurst('administration'),
    quota_snapshot_s: Type.Integer({
      reload: true,
      default: 10,
      minimum: 1,
      maximum: 3_600,
      safeMax: 300,
      description: 'seconds between two times that a node on disk stores its quotas: what a crash may forget',
    }),
    tenants_max: Type.Integer({
      reload: true,
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
      description:
        'tenants (and, apart, capabilities with a limit of their own, and other nodes) whose quota is remembered; the others share one bucket',
    }),
    pressure_loop_delay_ms: Type.Number({
      reload: true,
      default: 40,
      minimum: 1,
      maximum: 10_000,
      safeMax: 200,
      description:
        'milliseconds that a turn of the event loop may take before calls are refused, writes first; ends at half of it',
    }),
    pressure_queue_delay_ms: Type.Number({
      reload: true,
      default: 250,
      minimum: 1,
      maximum: 10_000,
      safeMax: 1_000,
      description:
        'milliseconds that a write over HTTP may stand in line behind others of its own address before it is refused; twice that for a read',
    }),
    pressure_heap_percent: Type.Number({
      reload: true,
      default: 85,
      minimum: 1,
      maximum: 96,
      safeMax: 92,
      description: 'percent of the heap’s limit from which writes are refused; everything is at 97',
    }),
    pressure_queued_min: Type.Integer({
      reload: true,
      default: 32,
      minimum: 1,
      maximum: 65_536,
      safeMax: 1_024,
      description:
        'calls that must wait at a time for a late loop to count: with fewer, it is not late because of them',
    }),
    pressure_dwell_ms: Type.Integer({
      reload: true,
      default: 250,
      minimum: 0,
      maximum: 60_000,
      safeMax: 2_000,
      description: 'milliseconds after the last rise before fewer calls are refused',
    }),
    manifest_cache_bytes: Type.Integer({
      reload: true,
      default: 64 * MiB,
      minimum: 0,
      maximum: 16 * GiB,
      description: 'estimated bytes of parsed bundle manifests kept in memory',
    }),
    name_max_age_s: Type.Integer({
      reload: true,
      default: 0,
      minimum: 0,
      maximum: 86_400,
      description: 'seconds for which clients may reuse what a name pointed at without asking again',
    }),
    public_prefixes: Type.Array(Type.String({ maxLength: 512, pattern: '^[no]/' }), {
      reload: true,
      default: [],
      maxItems: 256,
      description:
        'resources that everyone may read without a capability: "n/site" for the name and its bundle, "o/b3:…" for an object',
    }),
    cors_origins: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      reload: true,
      default: [],
      maxItems: 64,
      description: 'web origins whose pages may call this node with a capability; "*" is every origin',
    }),
  },
  { additionalProperties: false },
);
export type GatewayConfig = Static<typeof GatewayConfig>;
