import type { Env } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import { treeHasher } from './hashing.ts';
import type { AuditLog } from './log.ts';
import { publishEveryMsDefault } from './publisher.ts';
import type { Retention } from './retention.ts';
import { openLogSigner } from './signer.ts';
import { type DiskStoreOptions, openDiskStore } from './store/disk-store.ts';
import { createRamStore, emptyLog } from './store/ram-store.ts';
import { openTiledLog } from './tiled-log.ts';

export interface RamAuditLogOptions {
  readonly env: Pick<Env, 'clock'>;
  readonly kms: Kms;
  /** Names the log, and its keys: a schema-less URL such as `example.com/audit`. It must never change. */
  readonly origin: string;
  /** Entries kept, in steps of 256. Default 65,536. At most 16,777,216 are ever taken: their hashes stay. */
  readonly entriesMax?: number;
  /** Bytes of the bundles kept. Default 64 MiB. */
  readonly bytesMax?: number;
  readonly publishEveryMs?: number;
}

/** A log that dies with the process, and with it everything that it proves except receipts and checkpoints held elsewhere. */
export async function createRamAuditLog(options: RamAuditLogOptions): Promise<AuditLog> {
  const { env, kms, origin, entriesMax = 65_536, bytesMax = 64 * 1024 * 1024 } = options;
  return openTiledLog({
    env,
    store: createRamStore(),
    found: emptyLog,
    signer: await openLogSigner(kms, origin),
    retention: { entriesMax, bytesMax },
    publishEveryMs: options.publishEveryMs ?? publishEveryMsDefault,
  });
}

export interface DiskAuditLogOptions extends DiskStoreOptions {
  readonly env: Pick<Env, 'clock' | 'disk' | 'random'>;
  readonly kms: Kms;
  readonly origin: string;
  /** Nothing is given up without it. */
  readonly retention?: Retention;
  /** Milliseconds until a checkpoint covers new entries when nobody asks for one. Default 50. */
  readonly publishEveryMs?: number;
}

/**
 * Opens or makes the log in `folder`. When what is there is less than its last checkpoint covers, or does not fit it,
 * the log can be read and nothing is appended: `failure` says why. Rejects with `EBUSY` while another process has it.
 */
export async function openDiskAuditLog(options: DiskAuditLogOptions): Promise<AuditLog> {
  const signer = await openLogSigner(options.kms, options.origin);
  const { store, found } = await openDiskStore(options, () => signer.sign({ size: 0, root: treeHasher.emptyRoot }));
  try {
    return await openTiledLog({
      env: options.env,
      store,
      found,
      signer,
      retention: options.retention ?? {},
      publishEveryMs: options.publishEveryMs ?? publishEveryMsDefault,
      onDamage: options.onDamage,
    });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}
