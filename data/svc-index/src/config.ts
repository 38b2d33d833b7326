import { type Static, Type } from 'typebox';

/** The `[index]` table of the configuration file. */
export const IndexConfig = Type.Object(
  {
    names_max: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      default: 1_000_000,
      unit: 'count',
      reload: true,
      description: 'names held, removed ones included; past it, new names get insufficient_storage',
    }),
    history_versions_max: Type.Integer({
      minimum: 1,
      maximum: 10_000,
      default: 100,
      unit: 'count',
      reload: true,
      description: 'versions kept of each name, the current one included',
    }),
    hot_names_max: Type.Integer({
      minimum: 2,
      maximum: 10_000_000,
      default: 100_000,
      unit: 'count',
      reload: false,
      description: 'records answered from memory, about 1 KB each; as many remembered misses, 0.1 KB each',
    }),
    negative_ttl_ms: Type.Integer({
      minimum: 0,
      maximum: 60_000,
      default: 2_000,
      unit: 'ms',
      reload: true,
      description: 'how long "no such name" is remembered',
    }),
    shared_max_age_ms: Type.Integer({
      minimum: 0,
      maximum: 60_000,
      default: 1_000,
      unit: 'ms',
      reload: true,
      description:
        'with PostgreSQL: how long a record that was read is answered from memory, where others may change it',
    }),
    unreachable_max_age_ms: Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      default: 300_000,
      unit: 'ms',
      reload: true,
      description: 'with PostgreSQL: the same while the database cannot be reached; answers say how old they are',
    }),
  },
  { additionalProperties: false },
);
export type IndexConfig = Static<typeof IndexConfig>;
