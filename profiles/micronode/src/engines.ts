import type { Config, Env, Log } from '@ron/kernel';
import { createRamKms, type Kms, openFileKms } from '@ron/kms';
import { createRamNames, type NameEngine, openLmdbNames } from '@ron/svc-index/service';
import { createRamMailboxes, type MailboxEngine, openJournalMailboxes } from '@ron/svc-mailbox/service';
import { type BlobEngine, createRamEngine, type EngineEvents, openDiskEngine } from '@ron/svc-storage/service';
import type { MicronodeTables } from './config.ts';

/** Where a node keeps its state: the profile's one choice. Everything above is the same on RAM and on disk. */
export interface Engines {
  readonly blobs: BlobEngine;
  readonly names: NameEngine;
  readonly mailboxes: MailboxEngine;
  readonly kms: Kms;
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
  const mailboxConfig = () => config.table('mailbox').current();
  if (lmdbFolder === undefined) {
    const { blob_bytes_max, mailbox_bytes_max } = config.table('memory').current();
    return {
      blobs: createRamEngine({ env, config: { bytesMax: blob_bytes_max }, events }),
      names: createRamNames(),
      mailboxes: createRamMailboxes({ env, config: mailboxConfig, bytesMax: mailbox_bytes_max }),
      kms: createRamKms(env),
    };
  }
  const disk = config.table('disk').current();
  // The keystore locks the data folder's part first: a second process on the same folder fails here, before it touches bytes.
  const kms = await openFileKms({ env, path: 'keys/keystore.age', identityPath: 'keys/identity.txt' });
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
    work: env.work,
    freeBytes: () => env.disk.freeBytes(),
    reserveBytes: disk.reserve_bytes,
  });
  return { blobs, names, mailboxes, kms };
}
