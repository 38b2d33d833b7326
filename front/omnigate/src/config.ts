import { type Static, Type } from 'typebox';

const strict = { additionalProperties: false } as const;

/** Table `omnigate` of the configuration file. Fields with `reload` take effect at once. */
export const OmnigateConfig = Type.Object(
  {
    queue_wait_ms: Type.Integer({
      reload: true,
      default: 1_000,
      minimum: 10,
      maximum: 30_000,
      description: 'milliseconds that a call may wait in line; who would wait longer is refused at once',
    }),
    queue_calls_max: Type.Integer({
      reload: true,
      default: 4_096,
      minimum: 1,
      maximum: 65_536,
      description: 'calls that wait in line, of all tenants',
    }),
    queue_tenant_calls_max: Type.Integer({
      reload: true,
      default: 512,
      minimum: 1,
      maximum: 65_536,
      description: 'calls of one tenant that wait in line',
    }),
    tenants_max: Type.Integer({
      default: 4_096,
      minimum: 1,
      maximum: 65_536,
      description: 'tenants with a lane of their own at a time; more share one',
    }),
    identities_max: Type.Integer({
      default: 65_536,
      minimum: 16,
      maximum: 1_000_000,
      description: 'tokens whose tenant is remembered, by their digest',
    }),
    identity_ms: Type.Integer({
      default: 30_000,
      minimum: 100,
      maximum: 30_000,
      description: 'milliseconds for which the tenant of a token is remembered',
    }),
    waiting_max: Type.Integer({
      reload: true,
      default: 1_024,
      minimum: 1,
      maximum: 65_536,
      description: 'calls that wait idle for something to happen, of all tenants',
    }),
    probe_interval_ms: Type.Integer({
      reload: true,
      default: 500,
      minimum: 50,
      maximum: 60_000,
      description: 'milliseconds between two questions whether a backend is there',
    }),
    probe_timeout_ms: Type.Integer({
      reload: true,
      default: 500,
      minimum: 50,
      maximum: 60_000,
      description: 'milliseconds that a backend gets to answer one; two failures in a row eject it',
    }),
    slow_start_ms: Type.Integer({
      default: 10_000,
      minimum: 1,
      maximum: 600_000,
      description: 'milliseconds in which a backend that joined comes to its whole share',
    }),
    concurrency_initial: Type.Integer({
      default: 32,
      minimum: 1,
      maximum: 512,
      description: 'calls that a backend gets at once at first',
    }),
    concurrency_min: Type.Integer({ default: 8, minimum: 1, maximum: 512, description: 'calls that it gets at least' }),
    concurrency_max: Type.Integer({
      default: 256,
      minimum: 1,
      maximum: 512,
      description: 'calls that it gets at most',
    }),
    connections_max: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 64,
      description: 'connections to one backend; each carries 64 calls, those that wait idle included',
    }),
  },
  strict,
);
export type OmnigateConfig = Static<typeof OmnigateConfig>;
