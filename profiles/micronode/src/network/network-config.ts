import { type Static, Type } from 'typebox';

const nodeId = '[0-9a-f]{64}';

/** Table `network`: this node among others. `trusted` holds at once, changes of the others need a restart. */
export const NetworkConfig = Type.Object(
  {
    listen: Type.String({
      default: '',
      description: 'host:port where other nodes connect, by mutual TLS; port 0 for any free one; empty: no network',
    }),
    address: Type.String({
      default: '',
      maxLength: 261,
      description: 'host:port that other nodes are told; empty: where it listens',
    }),
    socks: Type.String({
      default: '',
      maxLength: 261,
      description:
        'host:port of a SOCKS5 proxy, such as Tor’s, through which other nodes are dialled, all of them; empty: directly, and onion addresses not at all',
    }),
    region: Type.String({
      default: '',
      pattern: '^[a-z0-9-]{0,32}$',
      description: 'nodes of one region are near each other',
    }),
    seeds: Type.Array(Type.String({ pattern: `^${nodeId}@.{3,261}$` }), {
      default: [],
      maxItems: 32,
      description: 'nodes to begin with, each "<node id>@<host:port>"',
    }),
    trusted: Type.Array(Type.String({ pattern: `^${nodeId}$` }), {
      default: [],
      maxItems: 256,
      reload: true,
      description:
        'ids of nodes that may read all objects and names of this one, and whose names are believed here, first come first',
    }),
    dial_private: Type.Boolean({
      default: false,
      description: 'lets this node dial addresses that are not on the public Internet, such as loopback and 10.0.0.0/8',
    }),
    cache_bytes_max: Type.Integer({
      default: 64 * 1_024 * 1_024,
      minimum: 4 * 1_024 * 1_024,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of other nodes’ objects kept in RAM',
    }),
  },
  { additionalProperties: false },
);
export type NetworkConfig = Static<typeof NetworkConfig>;
