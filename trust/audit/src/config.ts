import { type Static, Type } from 'typebox';

/** The `[audit]` table of the configuration file. Where the log is kept, and for how long, is the profile's to say. */
export const AuditConfig = Type.Object(
  {
    witnessed_keys: Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
      maxItems: 256,
      default: [],
      reload: true,
      description:
        'verifier keys of the logs that this node cosigns; an origin that has one here is cosigned for these keys only',
    }),
  },
  { additionalProperties: false },
);
export type AuditConfig = Static<typeof AuditConfig>;
