export { type AdminOptions, createAdminHandler } from './admin/admin-handler.ts';
export type { GroupRun, GroupSource, SourceStat } from './groups/source.ts';
export { createVerifiedObjects, type VerifiedObjects, type VerifiedObjectsOptions } from './groups/verified-objects.ts';
export type { PurgeSelection } from './handlers/purge.ts';
export type { WarmReport } from './handlers/warm.ts';
export { type CacheUsage, createHttpCache, type HttpCache, type HttpCacheOptions } from './http-cache.ts';
export type { NearMemory } from './objects/near-objects.ts';
export type { OperatorDefaults } from './rules/operator-defaults.ts';
export {
  createGatewaySource,
  createPlainSource,
  type GatewaySourceOptions,
  type PlainSourceOptions,
} from './sources/http-source.ts';
export { createStorageSource, type StorageReads } from './sources/storage-source.ts';
export { type DiskBodies, openDiskBodies } from './store/disk-bodies.ts';
export { type EdgeCacheOptions, EdgeConfig, type EdgeEngines, type EdgeFarOptions, edge } from './verified-service.ts';
