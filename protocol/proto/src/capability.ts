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
    key: Type.Optional(
      Type.String({ description: 'the Ed25519 public key whose proof every request needs, base64url' }),
    ),
    caveats: Type.Integer({ minimum: 0, maximum: 64 }),
  },
  strict,
);
export type CapabilityView = Static<typeof CapabilityView>;

const feedFields = {
  seq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'grows by one with every entry' }),
  until: Type.Optional(
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'when nothing is left to revoke, ms' }),
  ),
};

/** One line of the revocation feed: docs/specs/cap.md, "Revocation". Idempotent: hearing one twice changes nothing. */
export const RevocationEntry = Type.Union([
  /** One capability, with everything attenuated from it. */
  Type.Object({ ...feedFields, kind: Type.Literal('capability'), id: Type.String({ maxLength: 36 }) }, strict),
  /** What was minted for a subject up to and including `minted_until`. */
  Type.Object(
    {
      ...feedFields,
      kind: Type.Literal('subject'),
      tenant: Type.String({ maxLength: 128 }),
      subject: Type.String({ minLength: 1, maxLength: 128 }),
      minted_until: TimeMs,
    },
    strict,
  ),
  /** Everything that one version of a root key has minted: the end of an epoch. */
  Type.Object({ ...feedFields, kind: Type.Literal('key'), kid: Type.String({ minLength: 1, maxLength: 160 }) }, strict),
]);
export type RevocationEntry = Static<typeof RevocationEntry>;

/** What a feed answers to "what came after `since`": at once when there is something, else after at most `wait_ms`. */
export const RevocationPage = Type.Object(
  {
    seq: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'the newest entry of this answer, or of the feed when it is empty',
    }),
    entries: Type.Array(RevocationEntry, { maxItems: 1_000, description: 'oldest first; more may follow after `seq`' }),
    feed: Type.Optional(
      Type.String({ maxLength: 64, description: 'names this life of the feed: another one counts from 1 again' }),
    ),
    full: Type.Optional(
      Type.Literal(true, { description: 'all that is still in force, not a continuation: what is absent has expired' }),
    ),
  },
  strict,
);
export type RevocationPage = Static<typeof RevocationPage>;
