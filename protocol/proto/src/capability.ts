import { type Static, Type } from 'typebox';
import { Bytes, strict, TimeMs } from './fields.ts';

/** `prefix` matches a resource that equals it, or continues it at a `/`; one that ends in `/` matches what starts with it; empty matches all. */
export const Right = Type.Object(
  {
    methods: Type.Array(
      Type.Union([
        Type.Literal('read'),
        Type.Literal('write'),
        Type.Literal('delete'),
        Type.Literal('list'),
        Type.Literal('admin'),
      ]),
      { minItems: 1, maxItems: 5 },
    ),
    prefix: Type.String({ maxLength: 512 }),
  },
  strict,
);
export type Right = Static<typeof Right>;

export const CapabilityLimits = Type.Object(
  {
    bytes_max: Type.Optional(Bytes),
    requests_per_second: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    body_bytes_max: Type.Optional(Bytes),
  },
  strict,
);
export type CapabilityLimits = Static<typeof CapabilityLimits>;

/** What a capability says of itself once verified: the answer of `GET /passport/whoami` and of `ron cap show`. */
export const CapabilityView = Type.Object(
  {
    id: Type.String(),
    subject: Type.String(),
    tenant: Type.String(),
    audience: Type.String(),
    rights: Type.Array(Type.Array(Right), { description: 'every inner list must allow the request' }),
    not_before: Type.Optional(TimeMs),
    expires_at: Type.Optional(TimeMs),
    limits: CapabilityLimits,
    caveats: Type.Integer({ minimum: 0, maximum: 64 }),
  },
  strict,
);
export type CapabilityView = Static<typeof CapabilityView>;
