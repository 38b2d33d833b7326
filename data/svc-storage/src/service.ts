import type { Handlers } from '@ron/proto/contract';
import { mailboxContract } from '@ron/proto/mailbox';
import { indexContract } from '@ron/proto/names';
import { storageContract } from '@ron/proto/storage';
import { defineService, type Ports } from '@ron/service';
import type { Static } from 'typebox';
import { AutoCollection } from './auto-collection.ts';
import { Collector } from './collector.ts';
import { StorageConfig } from './config.ts';
import type { DiskEngineOptions } from './disk/index.ts';
import type { BlobEngine } from './engine.ts';
import { collect } from './handlers/collect.ts';
import { get } from './handlers/get.ts';
import { has } from './handlers/has.ts';
import { outboard } from './handlers/outboard.ts';
import { pin } from './handlers/pin.ts';
import { put } from './handlers/put.ts';
import { quarantined } from './handlers/quarantined.ts';
import { scrub } from './handlers/scrub.ts';
import { slice } from './handlers/slice.ts';
import { stat } from './handlers/stat.ts';
import { undelete } from './handlers/undelete.ts';
import { unpin } from './handlers/unpin.ts';
import { uploadAbort } from './handlers/upload-abort.ts';
import { uploadCreate } from './handlers/upload-create.ts';
import { uploadStatus } from './handlers/upload-status.ts';
import { uploadWrite } from './handlers/upload-write.ts';
import { usage } from './handlers/usage.ts';
import { why } from './handlers/why.ts';
import { Holding, type Presence } from './holding.ts';
import { createStorageMeters } from './meters.ts';
import { Scrubber } from './scrubber.ts';
import { createSteadyTime } from './steady-time.ts';
import { UploadTable } from './uploads/upload-table.ts';
import { VerifiedReads } from './verified-reads.ts';

export type { BlobEngine, EngineEvents, Staging, StoredObject } from './engine.ts';
export type { Presence } from './holding.ts';
export { createRamEngine, type RamEngineConfig, type RamEngineOptions } from './ram/engine.ts';
export { StorageConfig };

/** Objects in files. Its code is loaded only where it is used: a node in RAM starts without it. */
export async function openDiskEngine(options: DiskEngineOptions): Promise<BlobEngine> {
  const disk = await import('./disk/index.ts');
  return disk.openDiskEngine(options);
}

/** The profile chooses the engine and ends it after the service. */
export interface StorageEngines {
  readonly blobs: BlobEngine;
  /** Told what is here. Absent: nobody is. */
  readonly presence?: Presence;
}

const unheard = () => undefined;

const uses = { index: indexContract, mailbox: mailboxContract };

/** Content-addressed objects: stored once, verified, kept while somebody holds them. */
export const storage = defineService({ contract: storageContract, config: StorageConfig, uses, start: startStorage });

type StoragePorts = Ports<Static<typeof StorageConfig>, typeof uses, StorageEngines>;

async function startStorage({ config, peers, engines, metrics, log, env, signal }: StoragePorts) {
  const { clock, random, work } = env;
  const { blobs, presence = { onStored: unheard, onRemoved: unheard } } = engines;
  const time = createSteadyTime(clock);
  const { onStored } = presence;
  const holding = new Holding(blobs, clock, time, () => config.current().grace_ms, presence);
  const limits = () => {
    const now = config.current();
    return {
      sliceMs: now.slice_ms,
      sliceSteps: now.slice_objects,
      ttlMs: now.upload_ttl_ms,
      uploadsMax: now.uploads_max,
      outboardBytesMax: now.upload_outboard_bytes_max,
      sweepMs: now.upload_sweep_ms,
    };
  };
  const objectBytesMax = () => config.current().object_bytes_max;
  const uploads = new UploadTable({ blobs, holding, clock, random, time, log, limits, onStored });
  const meters = createStorageMeters(metrics, blobs, () => uploads.count);
  const reads = new VerifiedReads(blobs, (address) => {
    meters.integrityFailed();
    presence.onRemoved(address);
  });
  const scrubber = new Scrubber(reads, clock, limits, log);
  const trashMs = () => config.current().trash_ms;
  const announced = () => uploads.announced();
  const collector = new Collector({ reads, holding, peers, time, clock, trashMs, limits, announced, presence });
  await uploads.start();
  const everyMs = () => config.current().collect_every_ms;
  const auto = new AutoCollection({ collector, meters, clock, random, log, everyMs, stop: signal });
  let periodMs = everyMs();
  const changes = config.onChange((next) => {
    if (next.collect_every_ms !== periodMs) auto.reschedule();
    periodMs = next.collect_every_ms;
  });

  const handlers: Handlers<typeof storageContract> = {
    put: put({ blobs, holding, work, objectBytesMax, onStored }),
    get: get(reads),
    slice: slice(reads),
    outboard: outboard(reads),
    has: has(holding),
    stat: stat(blobs, holding),
    pin: pin(blobs, holding),
    unpin: unpin(blobs),
    why: why({ reads, holding, peers, clock, limits }),
    collect: collect(collector, meters, signal),
    undelete: undelete(blobs, holding),
    scrub: scrub(scrubber, () => config.current().scrub_bytes_per_second),
    usage: usage(blobs, () => uploads.count),
    quarantined: quarantined(blobs, clock, limits),
    upload_create: uploadCreate(uploads, objectBytesMax),
    upload_status: uploadStatus(uploads),
    upload_write: uploadWrite(uploads),
    upload_abort: uploadAbort(uploads),
  };
  return {
    handlers,
    gates: () => blobs.gates(),
    async [Symbol.asyncDispose]() {
      changes[Symbol.dispose]();
      auto[Symbol.dispose]();
      uploads[Symbol.dispose]();
      await scrubber.stop();
      await collector.ended();
      meters[Symbol.dispose]();
    },
  };
}
