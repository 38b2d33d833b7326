import { type Static, Type } from 'typebox';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

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
    tenants_max: Type.Integer({
      reload: true,
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
      description:
        'tenants (and, apart, capabilities with a limit of their own) whose quota is remembered; the others share one bucket',
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
