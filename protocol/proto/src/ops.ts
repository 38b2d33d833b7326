import { Type } from 'typebox';
import { Count, DurationMs, strict } from './fields.ts';

/** DTOs of the operations endpoints, the same for every service. */
export const Health = Type.Object({ ok: Type.Boolean(), uptime_ms: DurationMs }, strict);

export const Readiness = Type.Object(
  {
    ready: Type.Boolean(),
    gates: Type.Array(
      Type.Object(
        {
          gate: Type.String(),
          ok: Type.Boolean(),
          reason: Type.Optional(Type.String()),
          value: Type.Optional(Type.Number({ description: 'what was measured, in the unit of the gate' })),
          bound: Type.Optional(Type.Number({ description: 'from where on the gate is not ok' })),
        },
        strict,
      ),
    ),
  },
  strict,
);

export const Version = Type.Object(
  { name: Type.String(), version: Type.String(), runtime: Type.String(), config_version: Count },
  strict,
);
