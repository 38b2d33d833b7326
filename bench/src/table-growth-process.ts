import { openTable, type Table } from '@ron/journal';
import { createBus, createMetrics, type Env, type KernelEvent, type Log } from '@ron/kernel';
import { createRealEnv } from '@ron/kernel/real';
import { createRamKms } from '@ron/kms';
import type { Principal } from '@ron/proto/contract';
import { registryContract } from '@ron/proto/registry';
import { bindLocal, hostService, loadCompiler } from '@ron/service';
import {
  openPassportStore,
  type PassportStore,
  type PassportValue,
  passportTableLimits,
} from '@ron/svc-passport/service';
import {
  createGenesis,
  createNodeSigner,
  RegistryConfig,
  type RegistryRow,
  registry,
  registryTableLimits,
} from '@ron/svc-registry/service';
import { Value } from 'typebox/value';
import { memoryOf } from './own-memory.ts';

/**
 * Fills or opens the table of passports or of the registry and prints what that cost, for `rows/trust-growth.ts`.
 * Arguments: `passports` or `registry`; `fill` (with one change, timed) or `open`; count; folder.
 */
const [what, task, countText, folder] = process.argv.slice(2) as [string, string, string, string];
const count = Number(countText);
const changes = 20;
const together = 500;
const env = createRealEnv({ root: folder });
const before = memoryOf();
const { openMs, found, changeMs, held } = await (what === 'passports' ? passports() : ofRegistry());
const after = memoryOf();
if (held.size === 0 && count > 0) throw new Error('nothing is held');
const heap = after.heap - before.heap;
process.stdout.write(`${JSON.stringify({ openMs, heap, rss: after.rss, count: found, changeMs })}\n`);
// Nothing is to be written any more: the other process opens what is there.
process.exit(0);

async function passports() {
  const from = performance.now();
  const table = await openTable<PassportValue>({ ...passportTableLimits, env, folder: 'passports' });
  const store = await openPassportStore(table, env);
  const openMs = performance.now() - from;
  if (task === 'fill') {
    for (let at = 0; at < count; at += together) await putFamilies(store, at, Math.min(count, at + together));
  }
  const changeMs = task === 'fill' ? await changePassports(store, table) : 0;
  return { openMs, found: store.meta.families, changeMs, held: table };
}

/** The newest family again and again: another generation of the same. */
async function changePassports(store: PassportStore, table: Table<PassportValue>): Promise<number> {
  if (count === 0) return 0;
  const from = performance.now();
  for (let at = 0; at < changes; at += 1) await putFamilies(store, count - 1, count);
  if (table.failed !== undefined) throw new Error(table.failed);
  return (performance.now() - from) / changes;
}

async function putFamilies(store: PassportStore, from: number, to: number): Promise<void> {
  await store.transact((draft) => {
    for (let at = from; at < to; at += 1) {
      const nowMs = env.clock.wallMs();
      const subject = `user-${at}`;
      draft.putSubject({ profile: { subject, tenant: '', kind: 'user', keys: [], created_at: nowMs } });
      draft.putFamily({
        id: at.toString(16).padStart(32, '0'),
        subject,
        tenant: '',
        rights: [{ methods: ['read', 'write'], prefix: `n/${subject}/` }],
        ttlS: 900,
        refreshKid: 'node:passport-refresh:hmac:019a0000-0000-7000-8000-000000000000:1',
        generation: 1,
        current: at.toString(16).padStart(64, '0'),
        createdAtMs: nowMs,
        expiresAtMs: nowMs + 2_592_000_000,
        capabilities: [{ id: '019a0000-0000-7000-8000-000000000001', expiresAtMs: nowMs + 900_000 }],
        issuedBy: 'owner 019a0000-0000-7000-8000-000000000000',
      });
    }
  });
}

async function ofRegistry() {
  await loadCompiler();
  const kms = createRamKms(env);
  const nodeSigner = await createNodeSigner({ kms });
  const from = performance.now();
  const table = await openTable<RegistryRow>({ env, folder: 'registry', ...registryTableLimits });
  const peer = await hostRegistry(env, table, kms, nodeSigner);
  const openMs = performance.now() - from;
  const { version } = await peer.head({});
  let changeMs = 0;
  if (task === 'fill') {
    const began = performance.now();
    const set = { id: 'region/changed', kind: 'region' } as const;
    const { proposal } = await peer.propose({ expected_version: version, changes: [{ set }] });
    await peer.approve({ proposal, as_node: true });
    await peer.commit({ proposal });
    changeMs = performance.now() - began;
  }
  return { openMs, found: version >= 1 ? count : 0, changeMs, held: { size: table.size, peer } };
}

async function hostRegistry(
  env: Env,
  table: Table<RegistryRow>,
  kms: ReturnType<typeof createRamKms>,
  nodeSigner: Awaited<ReturnType<typeof createNodeSigner>>,
) {
  const principal: Principal & { anonymous: false } = {
    subject: 'bench',
    capabilityId: 'bench',
    tenant: '',
    limits: {},
    allows: () => true,
    anonymous: false,
  };
  const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };
  const config = { current: () => Value.Create(RegistryConfig), onChange: () => ({ [Symbol.dispose]: nothing }) };
  const descriptors = Array.from({ length: count }, (_, at) => ({
    id: `node/n${String(at).padStart(5, '0')}`,
    kind: 'micronode',
  }));
  const engines = {
    table,
    roots: { signers: nodeSigner.signers().slice(0, 1), threshold: 1 },
    genesis: async () => (await createGenesis({ env, kms, descriptors })).text,
    nodeSigner,
  };
  const authenticator = { authenticate: () => principal };
  const host = { env, bus: createBus<KernelEvent>(), metrics: createMetrics(), log, authenticator };
  const hosted = await hostService(registry, host, { config, peers: {}, engines });
  return bindLocal(registryContract, () => hosted.dispatcher, principal, env);
}

function nothing(): void {
  // A benchmark has no log.
}
