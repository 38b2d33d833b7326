import { registryLimits } from '@ron/proto/registry';
import { type Static, Type } from 'typebox';

/** Configuration table `registry`; each may change while it runs. */
export const RegistryConfig = Type.Object(
  {
    history_snapshots_max: Type.Integer({
      default: 1_000,
      minimum: 2,
      maximum: 1_000,
      description: 'snapshots kept beside the first one, as far as 24 Mi characters hold them',
    }),
    validity_default_ms: Type.Integer({
      default: registryLimits.validityDefaultMs,
      minimum: 60_000,
      maximum: registryLimits.validityMaxMs,
      description: 'of a snapshot whose proposal does not say when it expires',
    }),
    renew_alone: Type.Boolean({
      default: true,
      description: 'the node signs the newest snapshot again before it expires, while it is its only signer',
    }),
    expiry_warning_ms: Type.Integer({
      default: 604_800_000,
      minimum: 0,
      maximum: registryLimits.validityMaxMs,
      description: 'how long before the newest snapshot expires the readiness gate says so',
    }),
  },
  { additionalProperties: false },
);
export type RegistryConfig = Static<typeof RegistryConfig>;
