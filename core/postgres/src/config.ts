import { type Static, Type } from 'typebox';

/** The `[postgres]` table of the configuration file, for profiles that keep state there. Changes need a restart. */
export const PostgresConfig = Type.Object(
  {
    url: Type.String({
      default: '',
      maxLength: 2_048,
      secret: true,
      description:
        'postgres://user:password@host:port/database of the primary, or with ?host=/folder for a socket; best given as RON_POSTGRES_URL',
    }),
    schema: Type.String({
      default: 'ron',
      pattern: '^[a-z][a-z0-9_]{0,39}$',
      description: 'the schema of the node’s tables, made when absent; nothing else may be in it',
    }),
    connections_max: Type.Integer({
      default: 8,
      minimum: 1,
      maximum: 256,
      unit: 'count',
      description: 'connections of this process for calls, beside one to watch the server',
    }),
    waiting_max: Type.Integer({
      default: 1_024,
      minimum: 1,
      maximum: 65_536,
      unit: 'count',
      description: 'calls that wait for a connection at a time; past it, they get unavailable',
    }),
    connect_timeout_ms: Type.Integer({
      default: 2_000,
      minimum: 100,
      maximum: 60_000,
      unit: 'ms',
      description: 'how long a call waits for a connection, new or free, before it gets unavailable',
    }),
    statement_timeout_ms: Type.Integer({
      default: 5_000,
      minimum: 100,
      maximum: 60_000,
      unit: 'ms',
      description: 'how long one statement may take, waiting for locks included, before the call gets unavailable',
    }),
  },
  { additionalProperties: false },
);
export type PostgresConfig = Static<typeof PostgresConfig>;
