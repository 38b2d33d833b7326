import { edgeContract } from '@ron/proto/edge';
import { storageContract } from '@ron/proto/storage';
import { defineService, type Ports } from '@ron/service';
import { type Static, Type } from 'typebox';
import { GroupCache } from './groups/group-cache.ts';
import type { GroupSource } from './groups/source.ts';
import { CachedObjects } from './objects/cached-objects.ts';
import { FarObjects } from './objects/far-objects.ts';
import { type NearMemory, NearObjects } from './objects/near-objects.ts';
import type { ObjectBytes } from './objects/object-bytes.ts';
import { createPackExport } from './operations/pack-export.ts';
import { createPackImport } from './operations/pack-import.ts';
import { createPurge } from './operations/purge.ts';
import { createStat } from './operations/stat.ts';
import { createWarm } from './operations/warm.ts';
import { createStorageSource } from './sources/storage-source.ts';
import { DiskTier } from './tiers/disk-tier.ts';

/** Table `edge`. */
export const EdgeConfig = Type.Object(
  {
    warm_readers: Type.Integer({
      default: 4,
      minimum: 1,
      maximum: 64,
      description: 'objects that one warm-up reads at a time',
    }),
    pack_bytes_max: Type.Integer({
      default: 16 * 1024 * 1024 * 1024,
      minimum: 1024,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'bytes of a pack that is imported',
    }),
  },
  { additionalProperties: false },
);
export type EdgeConfig = Static<typeof EdgeConfig>;

/** The profile says which of the two. */
export type EdgeEngines =
  /** Storage is in the same process: its memory is read, and nothing is kept twice. What it has not, `far` may have. */
  { readonly near: NearMemory; readonly far?: EdgeFarOptions } | { readonly cache: EdgeCacheOptions };

export interface EdgeFarOptions {
  /** Of the RAM in which groups of others are kept, at least 4 MiB. */
  readonly bytesMax: number;
  /** Asked in this order. */
  readonly sources: readonly GroupSource[];
}

export interface EdgeCacheOptions {
  /** Of the RAM tier, at least 4 MiB. */
  readonly bytesMax: number;
  /** A folder of the env's disk that is its own, emptied at start; `bytesMax` at least 4 MiB. */
  readonly disk?: { readonly folder: string; readonly bytesMax: number };
  /** Asked after the storage peer, in this order. */
  readonly sources?: readonly GroupSource[];
}

const uses = { storage: storageContract } as const;

/** Between those who serve objects and those who keep them: contract in @ron/proto/edge. */
export const edge = defineService<typeof edgeContract, typeof EdgeConfig, typeof uses, EdgeEngines>({
  contract: edgeContract,
  config: EdgeConfig,
  uses,
  async start(ports) {
    const { config, env } = ports;
    const objects = await openObjects(ports);
    return {
      handlers: {
        read: (input, call) => objects.read(input, call),
        slice: (input, call) => objects.slice(input, call),
        outboard: ({ address }, call) => objects.outboard(address, call),
        stat: createStat(objects),
        purge: createPurge(objects),
        warm: createWarm(objects, () => config.current().warm_readers),
        usage: () => objects.usage(),
        pack_export: createPackExport(objects),
        pack_import: createPackImport({
          objects,
          work: env.work,
          packBytesMax: () => config.current().pack_bytes_max,
        }),
      },
      gates: () => objects.gates(),
      [Symbol.asyncDispose]: () => objects[Symbol.asyncDispose](),
    };
  },
});

type EdgePorts = Ports<EdgeConfig, typeof uses, EdgeEngines>;

async function openObjects({ engines, env, metrics, peers }: EdgePorts): Promise<ObjectBytes> {
  if ('near' in engines) {
    const near = new NearObjects(engines.near, peers.storage);
    if (engines.far === undefined) return near;
    return new FarObjects(near, new CachedObjects(new GroupCache({ env, ...engines.far, metrics })));
  }
  const { bytesMax, disk: place, sources = [] } = engines.cache;
  const disk = place === undefined ? undefined : await DiskTier.open({ env, ...place, metrics });
  const all = [createStorageSource(peers.storage, env), ...sources];
  // A put that was answered is seen by the next read, so what was not there a moment ago is asked for again.
  return new CachedObjects(new GroupCache({ env, sources: all, bytesMax, disk, metrics, missMs: 0 }));
}
