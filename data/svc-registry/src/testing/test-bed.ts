import { createRamTable, openTable } from '@ron/journal';
import { createBus, createMetrics, type KernelEvent, type Log } from '@ron/kernel';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { addressFromHash } from '@ron/naming';
import type { Peer, Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { type RegistryChange, registryContract, type Snapshot } from '@ron/proto/registry';
import { ResidentBody } from '@ron/proto/stream';
import { bindLocal, type HostOptions, hostService, loadCompiler, readWhole } from '@ron/service';
import { documentId } from '@ron/signed';
import { Value } from 'typebox/value';
import { RegistryConfig } from '../config.ts';
import { type RegistryEngines, type RegistryRow, registry, registryTableLimits } from '../service.ts';
import { listOf, signedBy, TestSigner } from './test-signer.ts';

export type RegistryPeer = Peer<typeof registryContract>;
export type EngineName = 'RAM' | 'journal';

/** Made once: an ML-DSA key pair takes a while, and who they are is of no matter. */
export const [ann, bob, cid, dan] = ['ann', 'bob', 'cid', 'dan'].map((name) => new TestSigner(name)) as [
  TestSigner,
  TestSigner,
  TestSigner,
  TestSigner,
];
export const stranger = new TestSigner('eve');

export interface BedOptions {
  readonly engine?: EngineName;
  readonly env?: SimEnv;
  readonly genesis?: (nowMs: number) => Partial<Snapshot>;
  readonly config?: Partial<RegistryConfig>;
  readonly engines?: Partial<RegistryEngines>;
  readonly audit?: HostOptions['audit'];
}

export function genesisOf(nowMs: number): Snapshot {
  return {
    type: 'ron-registry',
    version: 1,
    issued_at: nowMs,
    expires_at: nowMs + 86_400_000,
    signers: listOf(ann, bob, cid),
    threshold: 2,
    descriptors: [{ id: 'node/one', kind: 'micronode' }],
    revoked_signers: [],
  };
}

const principal: Principal & { anonymous: false } = {
  subject: 'admin',
  capabilityId: 'test',
  tenant: '',
  limits: {},
  allows: () => true,
  anonymous: false,
};

/** The whole service behind its pipeline, on virtual time. Every DTO goes through JSON. */
export async function startRegistry(options: BedOptions = {}) {
  await loadCompiler();
  const env = options.env ?? createSimEnv({ seed: 7 });
  const blake3 = (bytes: Uint8Array) => addressFromHash(env.work.blake3(bytes));
  const first = { ...genesisOf(env.clock.wallMs()), ...options.genesis?.(env.clock.wallMs()) };
  const table =
    options.engine === 'journal'
      ? await openTable<RegistryRow>({ env, folder: 'data/registry', ...registryTableLimits })
      : createRamTable<RegistryRow>(registryTableLimits);
  const engines: RegistryEngines = {
    table,
    roots: { signers: listOf(ann, bob, cid), threshold: 2 },
    genesis: async () => signedBy(first, ann, bob),
    ...options.engines,
  };
  const [metrics, bus] = [createMetrics(), createBus<KernelEvent>()];
  const [errors, events]: [string[], KernelEvent[]] = [[], []];
  bus.onEvent((event) => events.push(event));
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (_fields, message) => errors.push(message),
    child: () => log,
  };
  const values = { ...Value.Create(RegistryConfig), ...options.config };
  const config = { current: () => values, onChange: () => ({ [Symbol.dispose]: () => undefined }) };
  const { audit } = options;
  const authenticator = { authenticate: () => principal };
  const host = { env, metrics, bus, log, authenticator, ...(audit === undefined ? {} : { audit }) };
  const hosted = await hostService(registry, host, { config, peers: {}, engines });
  const peer: RegistryPeer = bindLocal(registryContract, () => hosted.dispatcher, principal, env, { roundTrip: true });
  const run = <T>(work: Promise<T>): Promise<T> => env.scheduler.settle(work);
  const textOf = async ({ body }: { body: AsyncIterable<Uint8Array> }) =>
    new TextDecoder().decode(await readWhole(body, 2 ** 21));
  const bed = {
    env,
    blake3,
    table,
    hosted,
    peer,
    run,
    errors,
    events,
    first,
    idOf: (document: Snapshot) => documentId(document, blake3),
    pass: (ms: number) => env.scheduler.runFor(ms),
    head: () => run(peer.head({})),
    snapshotText: (version: number) => run(peer.snapshot({ version }).then(textOf)),
    async held(): Promise<Snapshot> {
      const { version } = await bed.head();
      return (JSON.parse(await bed.snapshotText(version)) as { document: Snapshot }).document;
    },
    async propose(changes: readonly RegistryChange[], more: { expires_at?: number; expected_version?: number } = {}) {
      const expected_version = more.expected_version ?? (await bed.head()).version;
      return run(peer.propose({ changes: [...changes], ...more, expected_version }));
    },
    documentOf: async (proposal: string) =>
      JSON.parse(await run(peer.proposal_document({ proposal }).then(textOf))) as Snapshot,
    async approve(proposal: string, ...signers: readonly TestSigner[]) {
      const document = await bed.documentOf(proposal);
      return run(peer.approve({ proposal, signatures: signers.flatMap((each) => each.sign(document)) }));
    },
    commit: (proposal: string) => run(peer.commit({ proposal })),
    /** From the change to the head. */
    async change(changes: readonly RegistryChange[], ...signers: readonly TestSigner[]) {
      const { proposal } = await bed.propose(changes);
      await bed.approve(proposal, ...(signers.length === 0 ? [ann, bob] : signers));
      return bed.commit(proposal);
    },
    publish: (text: string) => run(peer.publish({}, { body: new ResidentBody(new TextEncoder().encode(text)) })),
    gates: () => hosted.gates(),
    metric: async (name: string, labels?: Record<string, string>) => {
      await metrics.exposition();
      return metrics.read(`ron_${name}`, labels) ?? metrics.read(name, labels) ?? 0;
    },
    async [Symbol.asyncDispose]() {
      await run(Promise.resolve(hosted[Symbol.asyncDispose]()));
    },
  };
  return bed;
}

export type Bed = Awaited<ReturnType<typeof startRegistry>>;

/** `'taken'`, or the code and the reason. */
export async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof RonError)) throw error;
    return [error.code, error.details?.['reason']].filter((part) => part !== undefined).join(' ');
  }
  return 'taken';
}
