import { type AuditLog, createRamAuditLog, openDiskAuditLog } from '@ron/audit';
import type { CosignedRecord } from '@ron/audit/service';
import { createRamTable, openTable, type Table, type TableLimits } from '@ron/journal';
import type { Env, Log } from '@ron/kernel';
import type { Kms } from '@ron/kms';
import { type PolicyRow, policyRowsMax } from '@ron/policy';
import { type PassportValue, passportTableLimits } from '@ron/svc-passport/service';
import { type RegistryRow, registryTableLimits } from '@ron/svc-registry/service';
import type { DiskConfig, MemoryConfig, Reads, ServerConfig } from './config.ts';
import { nodeIdOf } from './node-identity.ts';

type Origin = Reads<'server', Pick<ServerConfig, 'audit_origin'>>;

/** Where the trust plane keeps its state; the keystore comes first, because the others sign with it. */
export interface TrustEngines {
  readonly kms: Kms;
  readonly audit: AuditLog;
  readonly passports: Table<PassportValue>;
  readonly policies: Table<PolicyRow>;
  readonly registry: Table<RegistryRow>;
  readonly cosigned: Table<CosignedRecord>;
  /** Where acknowledged changes of the tables were lost: what was revoked or replaced may hold again. */
  readonly damage: readonly string[];
}

/** Lost places that are remembered; the first tells the operator where to look. */
const damageMax = 16;
const policyLimits: TableLimits = { entriesMax: policyRowsMax };
/** Other logs that this node is a witness of, and its own. */
const cosignedLimits: TableLimits = { entriesMax: 1_001 };

export async function createRamTrust(
  env: Env,
  config: Origin & Reads<'memory', MemoryConfig>,
  kms: Kms,
): Promise<TrustEngines> {
  const { audit_entries_max, audit_bytes_max } = config.table('memory').current();
  return {
    kms,
    audit: await createRamAuditLog({
      env,
      kms,
      origin: await originOf(env, config, kms),
      entriesMax: audit_entries_max,
      bytesMax: audit_bytes_max,
    }),
    passports: createRamTable(passportTableLimits),
    policies: createRamTable(policyLimits),
    registry: createRamTable(registryTableLimits),
    cosigned: createRamTable(cosignedLimits),
    damage: [],
  };
}

/** Each part in a folder of its own below the data folder. What was opened is closed again when a later part fails. */
export async function openDiskTrust(
  env: Env,
  config: Origin & Reads<'disk', DiskConfig>,
  log: Log,
  kms: Kms,
): Promise<TrustEngines> {
  const { audit_retention_days } = config.table('disk').current();
  const onDamage = (detail: string) => log.error({ detail }, 'the trust plane’s log failed or was damaged');
  const damage: string[] = [];
  const onLoss = (detail: string) => {
    onDamage(detail);
    if (damage.length < damageMax) damage.push(detail);
  };
  await using stack = new AsyncDisposableStack();
  const table = async <V>(folder: string, limits: TableLimits): Promise<Table<V>> =>
    stack.use(await openTable<V>({ env, folder, ...limits, onDamage: onLoss }));
  const audit = stack.use(
    await openDiskAuditLog({
      env,
      folder: 'audit',
      kms,
      origin: await originOf(env, config, kms),
      onDamage,
      ...(audit_retention_days === 0 ? {} : { retention: { daysMax: audit_retention_days } }),
    }),
  );
  const engines = {
    kms,
    audit,
    passports: await table<PassportValue>('passports', passportTableLimits),
    policies: await table<PolicyRow>('policies', policyLimits),
    registry: await table<RegistryRow>('registry', registryTableLimits),
    cosigned: await table<CosignedRecord>('cosigned', cosignedLimits),
    damage,
  };
  stack.move();
  return engines;
}

/** A log's name never changes, so it comes from the node's key unless the operator gives one. */
async function originOf(env: Env, config: Origin, kms: Kms): Promise<string> {
  const { audit_origin } = config.table('server').current();
  if (audit_origin !== '') return audit_origin;
  return `ron.node/${(await nodeIdOf(kms, env.work)).slice('b3:'.length, 'b3:'.length + 32)}`;
}
