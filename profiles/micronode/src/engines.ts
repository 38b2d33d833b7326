import { openTable, type Table } from '@ron/journal';
import type { Config, Env, Log } from '@ron/kernel';
import { createRamKms, openFileKms } from '@ron/kms';
import type { PolicyEngine } from '@ron/policy';
import type { LiveConfig } from '@ron/service';
import { type QuotaRow, quotaRowsMax } from '@ron/svc-gateway/service';
import { createRamNames, type NameEngine, openLmdbNames } from '@ron/svc-index/service';
import {
  createRamMailboxes,
  type MailboxConfig,
  type MailboxEngine,
  openJournalMailboxes,
} from '@ron/svc-mailbox/service';
import { type BlobEngine, createRamEngine, type EngineEvents, openDiskEngine } from '@ron/svc-storage/service';
import type { DiskConfig, MemoryConfig, MicronodeTables, Reads, ServerConfig } from './config.ts';
import { underPolicy } from './policy-overlay.ts';
import { createRamTrust, openDiskTrust, type TrustEngines } from './trust-engines.ts';

/** Where a node keeps its state: the profile's one choice. Everything above is the same on RAM and on disk. */
export interface Engines {
  readonly blobs: BlobEngine;
  readonly names: NameEngine;
  readonly mailboxes: MailboxEngine;
  readonly trust: TrustEngines;
  /** What callers have used up; in RAM it begins anew with each start. */
  readonly quotas?: Table<QuotaRow> | undefined;
  /** Told of each object whose stored bytes turn out to be damaged. Must not throw. */
  readonly onQuarantined: (listener: (address: string) => void) => Disposable;
  /** From then on the mailboxes keep to the limits of the policy too, which is opened after them. */
  readonly limitMailboxesBy: (policy: PolicyEngine) => void;
}

/** Where engines are opened: `memory` loses everything with the process. */
export interface EnginePlace {
  readonly env: Env;
  readonly log: Log;
  readonly durability: 'memory' | 'fsync';
}

type Budgets = Reads<'memory', MemoryConfig> & Reads<'disk', DiskConfig>;

/** `lmdbFolder`: the absolute path of the names, because their engine opens its own files. Undefined: all in RAM. */
export async function openEngines(
  env: Env,
  config: Config<MicronodeTables>,
  log: Log,
  lmdbFolder: string | undefined,
): Promise<Engines> {
  const place: EnginePlace = { env, log, durability: lmdbFolder === undefined ? 'memory' : 'fsync' };
  const listeners = new Set<(address: string) => void>();
  const onQuarantined = (listener: (address: string) => void): Disposable => {
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  };
  const onCorrupt = (address: string) => {
    for (const tell of listeners) tell(address);
  };
  let mailboxTable: LiveConfig<MailboxConfig> = config.table('mailbox');
  const mailboxConfig = () => mailboxTable.current();
  const limitMailboxesBy = (policy: PolicyEngine): void => {
    mailboxTable = underPolicy(config.table('mailbox'), policy);
  };
  // The keystore locks the data folder's part first: a second process on the same folder fails here, before it touches bytes.
  const trust = await openTrust(place, config);
  const blobs = await openBlobs(place, config, onCorrupt);
  const mailboxes = await openMailboxes(place, config, mailboxConfig);
  const names = await openNames(place, config, lmdbFolder);
  return { blobs, names, mailboxes, trust, quotas: await openQuotas(place), onQuarantined, limitMailboxesBy };
}

export async function openTrust(
  { env, log, durability }: EnginePlace,
  config: Budgets & Reads<'server', Pick<ServerConfig, 'audit_origin'>>,
): Promise<TrustEngines> {
  if (durability === 'memory') return createRamTrust(env, config, createRamKms(env));
  const kms = await openFileKms({ env, path: 'keys/keystore.age', identityPath: 'keys/identity.txt' });
  return openDiskTrust(env, config, log, kms);
}

/** `onCorrupt` is told of each object whose stored bytes turn out to be damaged, and must not throw. */
export async function openBlobs(
  { env, log, durability }: EnginePlace,
  config: Budgets,
  onCorrupt: (address: string) => void = () => undefined,
): Promise<BlobEngine> {
  const events: EngineEvents = {
    onCorrupt: (address, detail) => {
      log.error({ address, detail }, 'stored bytes failed verification: quarantined');
      onCorrupt(address);
    },
    onDamage: (detail) => log.error({ detail }, 'stored bytes were damaged: a change of an object may be lost'),
  };
  if (durability === 'memory') {
    return createRamEngine({ env, config: { bytesMax: config.table('memory').current().blob_bytes_max }, events });
  }
  const disk = config.table('disk').current();
  return openDiskEngine({
    env,
    folder: 'blobs',
    config: {
      bytesMax: disk.blob_bytes_max,
      objectsMax: disk.objects_max,
      reserveBytes: disk.reserve_bytes,
      hotBytesMax: disk.hot_bytes,
    },
    events,
  });
}

export async function openMailboxes(
  { env, log, durability }: EnginePlace,
  config: Budgets,
  mailboxConfig: () => MailboxConfig,
): Promise<MailboxEngine> {
  if (durability === 'memory') {
    const bytesMax = config.table('memory').current().mailbox_bytes_max;
    return createRamMailboxes({ env, config: mailboxConfig, bytesMax });
  }
  return openJournalMailboxes({
    env,
    folder: 'mailboxes',
    config: mailboxConfig,
    bytesMax: config.table('disk').current().mailbox_bytes_max,
    onDamage: (detail) => log.error({ detail }, 'the mailbox log failed or was damaged'),
  });
}

/** `folder`: as `lmdbFolder` of `openEngines`. */
export async function openNames(
  { env }: Pick<EnginePlace, 'env'>,
  config: Budgets,
  folder: string | undefined,
): Promise<NameEngine> {
  if (folder === undefined) return createRamNames();
  return openLmdbNames({
    folder,
    files: { disk: env.disk, folder: 'names' },
    work: env.work,
    freeBytes: () => env.disk.freeBytes(),
    reserveBytes: config.table('disk').current().reserve_bytes,
  });
}

/** Undefined in RAM: what callers have used up begins anew with each start. */
export async function openQuotas({ env, log, durability }: EnginePlace): Promise<Table<QuotaRow> | undefined> {
  if (durability === 'memory') return undefined;
  return openTable<QuotaRow>({
    env,
    folder: 'quotas',
    entriesMax: quotaRowsMax,
    onDamage: (detail) => log.error({ detail }, 'the log of quotas failed or was damaged'),
  });
}
