import { type Static, Type } from 'typebox';

/** The `[kms]` table of the configuration file: there is nothing to choose, the profile picks the engine. */
export const KmsConfig = Type.Object({}, { additionalProperties: false });
export type KmsConfig = Static<typeof KmsConfig>;
