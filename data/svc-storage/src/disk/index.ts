export type { DiskEngineConfig } from './config.ts';
export { type DiskEngineOptions, openDiskEngine } from './engine.ts';
