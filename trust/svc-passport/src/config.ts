import { passportLimits } from '@ron/proto/passport';
import { type Static, Type } from 'typebox';

/** The `[passport]` table of the configuration file. */
export const PassportConfig = Type.Object(
  {
    ttl_default_s: Type.Integer({
      minimum: 1,
      maximum: passportLimits.ttlSMax,
      default: passportLimits.ttlSDefault,
      unit: 's',
      reload: true,
      description: 'life of a capability when the request names none; the least of it and ttl_max_s',
    }),
    ttl_max_s: Type.Integer({
      minimum: 1,
      maximum: passportLimits.ttlSMax,
      default: passportLimits.ttlSMax,
      unit: 's',
      reload: true,
      description: 'longest life of a capability; a request for more is refused',
    }),
    refresh_ttl_s: Type.Integer({
      minimum: 60,
      maximum: 7_776_000,
      default: 2_592_000,
      unit: 's',
      reload: true,
      description: 'how long a new passport can be refreshed, from its issue on',
    }),
    families_max: Type.Integer({
      minimum: 1,
      maximum: 50_000,
      default: 50_000,
      unit: 'count',
      reload: true,
      description: 'passports that can be refreshed, about 1 KB each; past it, issue gets insufficient_storage',
    }),
    subjects_max: Type.Integer({
      minimum: 1,
      maximum: 50_000,
      default: 50_000,
      unit: 'count',
      reload: true,
      description: 'profiles kept; past it, new subjects get insufficient_storage',
    }),
    revocations_max: Type.Integer({
      minimum: 1,
      maximum: 50_000,
      default: 50_000,
      unit: 'count',
      reload: true,
      description:
        'revocations that stay in force; past it (for tenants’ administrators half of it) revoke gets insufficient_storage and the way out is to revoke the key',
    }),
    bootstrap_failures_max: Type.Integer({
      minimum: 1,
      maximum: passportLimits.bootstrapFailuresMax,
      default: passportLimits.bootstrapFailuresMax,
      unit: 'count',
      reload: true,
      description: 'wrong bootstrap secrets within a minute, after which all wait',
    }),
  },
  { additionalProperties: false },
);
export type PassportConfig = Static<typeof PassportConfig>;
