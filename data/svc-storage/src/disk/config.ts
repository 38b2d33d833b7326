/** Sizes in bytes. Everything that the engine keeps in memory or on the disk has its bound here. */
export interface DiskEngineConfig {
  /** Live, trashed and quarantined objects together with open writers and stagings. */
  readonly bytesMax: number;
  readonly objectsMax: number;
  /** Bytes of one object. Default 5 GiB. */
  readonly objectBytesMax?: number;
  /** Writes are refused when the file system has less than this free. Default 128 MiB. */
  readonly reserveBytes?: number;
  /** Objects up to here live in the journal, larger ones in a file each. Default and maximum 1 MiB. */
  readonly journalBytesMax?: number;
  /** RAM for verified bytes that are read again. Default 64 MiB. */
  readonly hotBytesMax?: number;
  /** Objects above this are never held in RAM as a whole. Default 1 MiB. */
  readonly hotObjectBytesMax?: number;
  /** Descriptors kept for large objects. Default 256. */
  readonly openFilesMax?: number;
  /** RAM for the digest tables of open objects. Default 32 MiB; one object's table may exceed it alone. */
  readonly tableBytesMax?: number;
  /** Default 64 MiB. */
  readonly segmentBytes?: number;
  /** A sealed segment with less than this part still needed is rewritten. Default 0.5. */
  readonly compactBelow?: number;
  /** Reading pace of that work, in bytes a second. Default 32 MiB. */
  readonly compactBytesPerSecond?: number;
  /** A large object or upload is synced in steps of this size while it arrives. Default 64 MiB. */
  readonly syncEveryBytes?: number;
  /** Default 1,024. */
  readonly stagingsMax?: number;
}

const MiB = 1024 * 1024;

export function completeConfig(config: DiskEngineConfig): Required<DiskEngineConfig> {
  return {
    bytesMax: config.bytesMax,
    objectsMax: config.objectsMax,
    objectBytesMax: config.objectBytesMax ?? 5 * 1024 * MiB,
    reserveBytes: config.reserveBytes ?? 128 * MiB,
    journalBytesMax: Math.min(config.journalBytesMax ?? MiB, MiB),
    hotBytesMax: config.hotBytesMax ?? 64 * MiB,
    hotObjectBytesMax: config.hotObjectBytesMax ?? MiB,
    openFilesMax: config.openFilesMax ?? 256,
    tableBytesMax: config.tableBytesMax ?? 32 * MiB,
    segmentBytes: config.segmentBytes ?? 64 * MiB,
    compactBelow: config.compactBelow ?? 0.5,
    compactBytesPerSecond: config.compactBytesPerSecond ?? 32 * MiB,
    syncEveryBytes: config.syncEveryBytes ?? 64 * MiB,
    stagingsMax: config.stagingsMax ?? 1024,
  };
}
