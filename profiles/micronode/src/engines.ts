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
import type { MicronodeTables } from './config.ts';
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
  /** From then on the mailboxes keep to the limits of the policy too, which is opened after them. */
  readonly limitMailboxesBy: (policy: PolicyEngine) => void;
}

/** `lmdbFolder`: the absolute path of the names, because their engine opens its own files. Undefined: all in RAM. */
export async function openEngines(
  env: Env,
  config: Config<MicronodeTables>,
  log: Log,
  lmdbFolder: string | undefined,
): Promise<Engines> {
  const events: EngineEvents = {
    onCorrupt: (address, detail) => log.error({ address, detail }, 'stored bytes failed verification: quarantined'),
    onDamage: (detail) => log.error({ detail }, 'stored bytes were damaged: a change of an object may be lost'),
  };
  let mailboxTable: LiveConfig<MailboxConfig> = config.table('mailbox');
  const mailboxConfig = () => mailboxTable.current();
  const limitMailboxesBy = (policy: PolicyEngine): void => {
    mailboxTable = underPolicy(config.table('mailbox'), policy);
  };
  if (lmdbFolder === undefined) {
    const { blob_bytes_max, mailbox_bytes_max } = config.table('memory').current();
    return {
      blobs: createRamEngine({ env, config: { bytesMax: blob_bytes_max }, events }),
      names: createRamNames(),
      mailboxes: createRamMailboxes({ env, config: mailboxConfig, bytesMax: mailbox_bytes_max }),
      trust: await createRamTrust(env, config, createRamKms(env)),
      quotas: undefined,
      limitMailboxesBy,
    };
  }
  const disk = config.table('disk').current();
  // The keystore locks the data folder's part first: a second process on the same folder fails here, before it touches bytes.
  const kms = await openFileKms({ env, path: 'keys/keystore.age', identityPath: 'keys/identity.txt' });
  const trust = await openDiskTrust(env, config, log, kms);
  const blobs = await openDiskEngine({
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
  const mailboxes = await openJournalMailboxes({
    env,
    folder: 'mailboxes',
    config: mailboxConfig,
    bytesMax: disk.mailbox_bytes_max,
    onDamage: (detail) => log.error({ detail }, 'the mailbox log failed or was damaged'),
  });
  const names = await openLmdbNames({
    folder: lmdbFolder,
    files: { disk: env.disk, folder: 'names' },
    work: env.work,
    freeBytes: () => env.disk.freeBytes(),
    reserveBytes: disk.reserve_bytes,
  });
  const quotas = await openTable<QuotaRow>({
    env,
    folder: 'quotas',
    entriesMax: quotaRowsMax,
    onDamage: (detail) => log.error({ detail }, 'the log of quotas failed or was damaged'),
  });
  return { blobs, names, mailboxes, trust, quotas, limitMailboxesBy };
}
