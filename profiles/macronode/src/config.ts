import { ServerConfig, serviceTables } from '@ron/micronode/config';
import { OmnigateConfig } from '@ron/omnigate/service';
import { type Static, Type } from 'typebox';
import { addressPattern, FrontServerConfig } from './omnigate-config.ts';

const strict = { additionalProperties: false } as const;
const MiB = 1_024 * 1_024;

/** Table `topology`: which processes there are and where they keep things. Changes need a restart. */
export const TopologyConfig = Type.Object(
  {
    folder: Type.String({
      default: './ron-macronode',
      minLength: 1,
      description:
        'data of each process in a folder of its own, and their sockets in run/; below 60 bytes as an absolute path',
    }),
    gateways: Type.Integer({ default: 2, minimum: 1, maximum: 16, description: 'gateway processes behind omnigate' }),
    engines: Type.Union([Type.Literal('disk'), Type.Literal('ram')], {
      default: 'disk',
      description: 'disk: an acknowledged write survives; ram: nothing survives the process that held it',
    }),
    edge_cache_bytes: Type.Integer({
      default: 256 * MiB,
      minimum: 4 * MiB,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of verified groups that the edge keeps in RAM',
    }),
  },
  strict,
);
export type TopologyConfig = Static<typeof TopologyConfig>;

const { audience, audit_origin, owner_capability_days, inflight_max, drain_ms, log_level, metrics_per_second } =
  ServerConfig.properties;

/** Table `server`: what all processes have in common. Changes need a restart. */
export const ProcessConfig = Type.Object(
  { audience, audit_origin, owner_capability_days, inflight_max, drain_ms, log_level, metrics_per_second },
  strict,
);
export type ProcessConfig = Static<typeof ProcessConfig>;

const { backends: _decidedHere, listen: _default, ...front } = FrontServerConfig.properties;

/** Table `front`: where clients come in. Changes need a restart. */
export const MacroFrontConfig = Type.Object(
  {
    listen: Type.String({
      default: '127.0.0.1:8080',
      pattern: addressPattern,
      description: 'host:port of HTTP; without a certificate a loopback address, port 0 for any free one',
    }),
    ...front,
  },
  strict,
);
export type MacroFrontConfig = Static<typeof MacroFrontConfig>;

/** Every table of `macronode.toml`, by name. */
export const macronodeTables = {
  topology: TopologyConfig,
  server: ProcessConfig,
  front: MacroFrontConfig,
  omnigate: OmnigateConfig,
  ...serviceTables,
} as const;
export type MacronodeTables = typeof macronodeTables;
