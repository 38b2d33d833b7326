import { type Static, Type } from 'typebox';
import { defineContract } from './contract.ts';
import { Bytes, Count, DurationMs, strict } from './fields.ts';

/**
 * `joining`: answers, and gets a share that grows. `healthy`: its whole share. `ejected`: nothing but probes.
 * `draining`: what runs there ends, nothing new goes there.
 */
export const BackendPhase = Type.Union([
  Type.Literal('joining'),
  Type.Literal('healthy'),
  Type.Literal('ejected'),
  Type.Literal('draining'),
]);
export type BackendPhase = Static<typeof BackendPhase>;

export const BackendName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' });

export const BackendView = Type.Object(
  {
    backend: BackendName,
    address: Type.String(),
    phase: BackendPhase,
    reason: Type.Optional(Type.String({ description: 'why it is not healthy, for people' })),
    phase_ms: DurationMs,
    weight: Type.Number({ minimum: 0, maximum: 1, description: 'part of its full share that it gets' }),
    inflight: Count,
    waiting: Count,
    limit: Type.Integer({ minimum: 0, description: 'calls that it gets at once at the moment' }),
    latency_ms: Type.Optional(Type.Number({ minimum: 0, description: 'of its answers, a moving average' })),
    connections: Count,
    ejections: Count,
    operator_drain: Type.Boolean(),
  },
  strict,
);
export type BackendView = Static<typeof BackendView>;

const BackendsOutput = Type.Object(
  {
    backends: Type.Array(BackendView),
    queue: Type.Object({ waiting: Count, cost: Bytes, lanes: Count }, strict),
  },
  strict,
);
export type BackendsOutput = Static<typeof BackendsOutput>;

const admin = [{ method: 'admin', resource: 'admin/omnigate' }] as const;

/** What the front of a cluster answers about itself; everything else that it answers, its backends say. */
export const omnigateContract = defineContract({
  name: 'omnigate',
  app: 0x0503,
  operations: {
    backends: {
      summary: 'The backends of this front: state, share, calls in flight, and what waits in line',
      input: Type.Object({}, strict),
      output: BackendsOutput,
      errors: [],
      scopes: admin,
      http: [{ method: 'GET', path: '/admin/omnigate/backends', reply: 'json' }],
    },
    drain_backend: {
      summary: 'Take a backend out of rotation, or let it back in: what runs there ends',
      input: Type.Object({ backend: BackendName, on: Type.Boolean() }, strict),
      output: BackendView,
      errors: ['not_found'],
      scopes: admin,
      mutation: true,
      audit: { level: 'privileged', input: ['backend', 'on'], output: ['phase'] },
      http: [{ method: 'POST', path: '/admin/omnigate/drain', json: true, reply: 'json' }],
    },
  },
});
